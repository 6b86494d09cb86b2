/* A QEMU TCG plugin that counts control flow: how often each translation block ran after each other one, and for whom.
 *
 * Arguments: out=FILE, begin=HEX and end=HEX (addresses of functions; counting goes on from an entry of the first to the next entry of
 * the second), caller=LO-HI (hexadecimal, may be repeated: code whose calls are counted for each caller).
 *
 * Output, a line each: "block ID PC BYTES" (hexadecimal, instructions separated by dots) and, after each region, "edge REGION CALLER FROM TO COUNT" by
 * block ids; CALLER is the last block of the caller code that ran before (-1: none, or the caller itself), FROM is -1 at the region's start.
 *
 * Debian ships no qemu-plugin.h: the declarations below are those of plugin API version 1 that are used.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { MOST_CALLERS = 64 };

struct block {
  int id;
  uint32_t pc;
  bool is_caller;
};

struct edge {
  const struct block *caller, *from, *to;
  uint64_t count;
};

static FILE *out;
static uint32_t begin_pc, end_pc, caller_low[MOST_CALLERS], caller_high[MOST_CALLERS];
static int callers, blocks, region;
static bool counting;
static const struct block *caller, *previous;

/* Edges in an open-addressed table, its size a power of two; to == NULL marks a free place. */
static struct edge *edges;
static size_t places, used;

static size_t hash(const struct block *a, const struct block *b, const struct block *c) {
  uint64_t h = (uint64_t)(uintptr_t)a * 31 + (uint64_t)(uintptr_t)b * 1009 + (uint64_t)(uintptr_t)c;
  return (size_t)((h * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

static struct edge *find(const struct block *from, const struct block *to) {
  size_t i = hash(caller, from, to) & (places - 1);
  while (edges[i].to && !(edges[i].to == to && edges[i].from == from && edges[i].caller == caller)) i = (i + 1) & (places - 1);
  return &edges[i];
}

static void grow(void) {
  struct edge *old = edges;
  size_t n = places;
  const struct block *current = caller;
  places = n ? 2 * n : 4096;
  edges = calloc(places, sizeof *edges);
  if (!edges) abort();
  for (size_t i = 0; i < n; ++i)
    if (old[i].to) {
      caller = old[i].caller;
      *find(old[i].from, old[i].to) = old[i];
    }
  caller = current;
  free(old);
}

static void write_region(void) {
  for (size_t i = 0; i < places; ++i)
    if (edges[i].to) {
      const struct edge *e = &edges[i];
      fprintf(out, "edge %d %d %d %d %" PRIu64 "\n", region, e->caller ? e->caller->id : -1, e->from ? e->from->id : -1, e->to->id, e->count);
    }
  memset(edges, 0, places * sizeof *edges);
  used = 0;
  ++region;
}

static void block_runs(unsigned cpu, void *data) {
  const struct block *now = data;
  (void)cpu;
  if (counting && now->pc == end_pc) {
    write_region();
    counting = false;
  } else if (!counting && now->pc == begin_pc) {
    counting = true;
    previous = caller = NULL;
  }
  if (!counting) return;
  if (previous && previous->is_caller && !now->is_caller) caller = previous;
  if (now->is_caller) caller = NULL;
  if (2 * used >= places) grow();
  struct edge *e = find(previous, now);
  if (!e->to) {
    *e = (struct edge){caller, previous, now, 0};
    ++used;
  }
  ++e->count;
  previous = now;
}

static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  struct block *b = calloc(1, sizeof *b);
  (void)id;
  if (!b) abort();
  b->id = blocks++;
  b->pc = (uint32_t)qemu_plugin_tb_vaddr(tb);
  for (int i = 0; i < callers; ++i) b->is_caller |= b->pc >= caller_low[i] && b->pc < caller_high[i];
  fprintf(out, "block %d %" PRIx32 " ", b->id, b->pc);
  for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); ++i) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
    const unsigned char *bytes = qemu_plugin_insn_data(insn);
    if (i) fputc('.', out);
    for (size_t k = 0; k < qemu_plugin_insn_size(insn); ++k) fprintf(out, "%02x", bytes[k]);
  }
  fputc('\n', out);
  qemu_plugin_register_vcpu_tb_exec_cb(tb, block_runs, 0, b);
}

static void finish(qemu_plugin_id_t id, void *data) {
  (void)id;
  (void)data;
  fputs("done\n", out);
  fclose(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv) {
  (void)info;
  for (int i = 0; i < argc; ++i) {
    const char *value = strchr(argv[i], '=');
    if (!value) return 1;
    ++value;
    if (!strncmp(argv[i], "out=", 4)) {
      out = fopen(value, "w");
    } else if (!strncmp(argv[i], "begin=", 6)) {
      begin_pc = (uint32_t)strtoul(value, NULL, 16);
    } else if (!strncmp(argv[i], "end=", 4)) {
      end_pc = (uint32_t)strtoul(value, NULL, 16);
    } else if (!strncmp(argv[i], "caller=", 7) && callers < MOST_CALLERS) {
      char *rest;
      caller_low[callers] = (uint32_t)strtoul(value, &rest, 16);
      caller_high[callers++] = (uint32_t)strtoul(rest + 1, NULL, 16);
    } else {
      return 1;
    }
  }
  if (!out) return 1;
  grow();
  qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
  qemu_plugin_register_atexit_cb(id, finish, NULL);
  return 0;
}
