#include "base/trim.h"

#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* The segments of one loaded file that nobody can have written to. */
static int drop_constants(struct dl_phdr_info *file, size_t size, void *context) {
    const uintptr_t page = *(const uintptr_t *)context;
    (void)size;
    for (size_t i = 0; i < file->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &file->dlpi_phdr[i];
        uintptr_t at = (file->dlpi_addr + part->p_vaddr) & ~(page - 1);
        uintptr_t end = (file->dlpi_addr + part->p_vaddr + part->p_memsz) & ~(page - 1);
        if (part->p_type == PT_LOAD && (part->p_flags & PF_W) == 0 && at < end)
            madvise((void *)at, end - at, MADV_DONTNEED);
    }
    return 0;
}

void trim_memory(void) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    malloc_trim(0);
    dl_iterate_phdr(drop_constants, &page);
}
