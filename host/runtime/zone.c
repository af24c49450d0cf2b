#include "runtime/zone.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

struct zone {
    long first; /* offset before the first transition, or for ever */
    size_t count;
    int64_t *times; /* UTC of each transition */
    long *offsets;  /* from then on */
};

enum { MOST_BYTES = 64 << 10, HEADER = 44 };

static int64_t big_endian(const unsigned char *at, int bytes) {
    uint64_t value = at[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return (int64_t)value;
}

struct block { /* one data block of the file */
    size_t transitions, types, size;
    const unsigned char *data;
};

static bool read_block(const unsigned char *at, const unsigned char *end, int width,
                       struct block *ret) {
    if (end - at < HEADER || memcmp(at, "TZif", 4) != 0)
        return false;
    size_t counts[6]; /* isut, isstd, leap, time, type, char */
    for (int i = 0; i < 6; i++)
        counts[i] = (size_t)big_endian(at + 20 + 4 * i, 4);
    ret->transitions = counts[3];
    ret->types = counts[4];
    ret->data = at + HEADER;
    if (counts[3] > 4096 || counts[4] > 256 || counts[4] == 0 || counts[5] > 4096)
        return false;
    ret->size = counts[3] * (size_t)(width + 1) + counts[4] * 6 + counts[5] +
                counts[2] * (size_t)(width + 4) + counts[1] + counts[0];
    return (size_t)(end - ret->data) >= ret->size;
}

static bool fill(struct zone *zone, const struct block *block) {
    const unsigned char *times = block->data, *kinds = times + block->transitions * 8;
    const unsigned char *types = kinds + block->transitions;
    zone->times = mem_calloc(block->transitions, sizeof *zone->times);
    zone->offsets = mem_calloc(block->transitions, sizeof *zone->offsets);
    if (zone->times == NULL || zone->offsets == NULL)
        return false;
    zone->first = (long)big_endian(types, 4);
    for (size_t i = 0; i < block->transitions; i++) {
        if (kinds[i] >= block->types)
            return false;
        zone->times[i] = big_endian(times + 8 * i, 8);
        zone->offsets[i] = (long)big_endian(types + 6 * (size_t)kinds[i], 4);
    }
    zone->count = block->transitions;
    return true;
}

/* The second block of a version 2 file has 64-bit times. */
static bool parse(struct zone *zone, const unsigned char *data, size_t len) {
    struct block first, second;
    const unsigned char *end = data + len;
    if (!read_block(data, end, 4, &first) || data[4] < '2')
        return false;
    return read_block(first.data + first.size, end, 8, &second) && fill(zone, &second);
}

static bool fixed_offset(const char *name, long *ret) {
    int hours, minutes, used = 0;
    if (strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0) {
        *ret = 0;
        return true;
    }
    if ((name[0] != '+' && name[0] != '-') ||
        sscanf(name + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 ||
        name[6] != '\0' || hours > 14 || minutes > 59)
        return false;
    *ret = (hours * 60 + minutes) * 60 * (name[0] == '-' ? -1 : 1);
    return true;
}

static int load(struct zone *zone, const char *name, struct error *err) {
    char path[256];
    if (strstr(name, "..") || name[0] == '/' || strlen(name) > 100)
        return error_set(err, ERROR_INVALID, "\"%s\" is not a time zone", name);
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    struct strbuf data = {0};
    int rc = 0;
    if (fd_read_file(path, MOST_BYTES, &data) < 0)
        rc = error_set(err, ERROR_NOT_FOUND,
                       "there is no time zone \"%s\" (looked for %s; is tzdata installed?)", name,
                       path);
    else if (!parse(zone, (const unsigned char *)data.data, data.len))
        rc = error_set(err, ERROR_INVALID, "%s is not a TZif file", path);
    strbuf_finish(&data);
    return rc;
}

struct zone *zone_open(const char *name, struct error *err) {
    struct zone *zone = mem_zalloc(sizeof *zone);
    if (zone == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for a time zone");
        return NULL;
    }
    if (fixed_offset(name, &zone->first) || load(zone, name, err) == 0)
        return zone;
    zone_close(zone);
    return NULL;
}

void zone_close(struct zone *zone) {
    if (zone == NULL)
        return;
    mem_free(zone->times);
    mem_free(zone->offsets);
    mem_free(zone);
}

long zone_offset(const struct zone *zone, time_t utc) {
    size_t low = 0, high = zone->count; /* the last transition at or before utc */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (zone->times[middle] <= utc)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? zone->first : zone->offsets[low - 1];
}

time_t zone_to_utc(const struct zone *zone, time_t local) {
    long before = zone_offset(zone, local - 24 * 3600),
         after = zone_offset(zone, local + 24 * 3600);
    time_t early = local - before, late = local - after;
    if (zone_offset(zone, early) == before)
        return early; /* the usual case, and the first of two */
    if (zone_offset(zone, late) == after)
        return late;
    /* Skipped: the change lies between the two readings. */
    for (size_t i = 0; i < zone->count; i++)
        if (zone->times[i] > late - 1 && zone->times[i] <= early)
            return (time_t)zone->times[i];
    return early;
}
