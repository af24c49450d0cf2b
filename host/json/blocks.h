#ifndef MOONLET_JSON_BLOCKS_H
#define MOONLET_JSON_BLOCKS_H

#include <stddef.h>

/*
 * Blocks: where jansson's values live.
 *
 * Is:      a list by size of the small blocks that were freed last, for the next value: a request
 *          makes and frees thousands, and glibc keeps seven of each size at hand.
 * Is not:  an allocator: blocks come from malloc(), and any thread may free any of them.
 * Threads: the one that asked for it keeps blocks; for others it is malloc() and free(). Process
 *          wide, as jansson's hooks are: for main() alone.
 */
enum { JSON_BLOCKS_MOST = 1 << 20 }; /* bytes kept */

/* From now on the calling thread keeps what it frees. */
void json_blocks_keep(void);
/* Gives back what is kept, and keeps no more. */
void json_blocks_drop(void);
size_t json_blocks_kept(void); /* bytes, now */

#endif
