#ifndef MOONLET_BASE_TRIM_H
#define MOONLET_BASE_TRIM_H

/*
 * Trim: gives back to the system what starting took and running does not need.
 *
 * Is:      whole pages of free heap, and the pages of the program's and its libraries' code and
 *          constants, which are read again from their files when they are used.
 * Is not:  for a time when something waits: it takes some ms, and some hundred page faults later.
 * Threads: any; the others go on. Yields: never.
 */
void trim_memory(void);

#endif
