/* Writes down every malloc and free of a program: LD_PRELOAD=./heap_shim.so HEAP_TRACE=/tmp/t program

   One file per process, HEAP_TRACE.<pid>, of 32-byte records {old address, new address, size, alignment}:
   a malloc has no old address, a free no new one, a realloc has both. The real work is glibc's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t), __libc_free(void *);

static struct { uint64_t old, new, size, align; } events[4096];
static int used, file = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* an address must not be reused before it is written down */

static void flush(void) {
    char name[512];
    if (used && file < 0 && getenv("HEAP_TRACE")) {
        snprintf(name, sizeof name, "%s.%d", getenv("HEAP_TRACE"), getpid());
        file = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    if (used && file >= 0 && write(file, events, used * sizeof *events) < 0) _exit(99);
    used = 0;
}
static void record(void *old, void *new, size_t size, size_t align) {
    if (!old && !new) return;
    events[used].old = (uintptr_t)old, events[used].new = (uintptr_t)new;
    events[used].size = size, events[used].align = align;
    if (++used == 4096) flush();
}
static void before_fork(void) { pthread_mutex_lock(&lock); flush(); }
static void in_parent(void) { pthread_mutex_unlock(&lock); }
static void in_child(void) { if (file >= 0) close(file); file = -1; pthread_mutex_unlock(&lock); }
__attribute__((constructor)) static void begin(void) { pthread_atfork(before_fork, in_parent, in_child); }
__attribute__((destructor)) static void finish(void) { pthread_mutex_lock(&lock); flush(); pthread_mutex_unlock(&lock); }

#define LOCKED(result, call, ...) \
    pthread_mutex_lock(&lock); void *result = call; record(__VA_ARGS__); pthread_mutex_unlock(&lock); return result

void *malloc(size_t n) { LOCKED(p, __libc_malloc(n), 0, p, n, 0); }
void *calloc(size_t k, size_t n) { LOCKED(p, __libc_calloc(k, n), 0, p, k * n, 0); }
void *realloc(void *q, size_t n) {
    LOCKED(p, __libc_realloc(q, n), p || !n ? q : 0, p, n, 0); /* a failed realloc leaves q alone */
}
void *memalign(size_t a, size_t n) { LOCKED(p, __libc_memalign(a, n), 0, p, n, a); }
void *aligned_alloc(size_t a, size_t n) { return memalign(a, n); }
int posix_memalign(void **out, size_t a, size_t n) {
    void *p = memalign(a, n);
    return p ? (*out = p, 0) : ENOMEM;
}
void free(void *q) {
    pthread_mutex_lock(&lock);
    record(q, 0, 0, 0);
    __libc_free(q);
    pthread_mutex_unlock(&lock);
}
