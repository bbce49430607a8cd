# zeroboot. `make help` lists the targets.
VERSION := 0.2.0
MODE    ?= release
ifdef SANITIZE
MODE    := sanitize
endif
O       := build/$(MODE)
PREFIX  ?= /usr/local

CC      := musl-gcc
LINK    := -static -s
KCC     := gcc
NO_PIE  := -no-pie
WARN    := -Wall -Wextra -Werror
# musl-gcc leaves the kernel's headers out; these come after musl's own.
UAPI    := -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu
# CC=clang is for both, against musl too. Structures of KVM's that end in an array are
# parts of ours.
ifneq ($(findstring clang,$(CC)),)
KCC     := $(CC)
NO_PIE  :=
MUSL    := /usr/lib/x86_64-linux-musl
WARN    += -Wno-gnu-variable-sized-type-not-at-end
UAPI    := -nostdlibinc -isystem /usr/include/x86_64-linux-musl $(UAPI)
LINK    := -static -s -nostdlib $(MUSL)/crt1.o $(MUSL)/crti.o
LIBS    := $(MUSL)/libc.a -lgcc $(MUSL)/crtn.o
endif
BASE_release := -O2
BASE_debug   := -O1 -g -DZEROBOOT_DEBUG
ifeq ($(MODE),sanitize)
# The host side against glibc, with AddressSanitizer and UBSan.
CC      := gcc
LIBS    :=
LINK    := -fsanitize=address,undefined
UAPI    :=
BASE_sanitize := -O1 -g -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all \
           -fno-omit-frame-pointer
endif
BASE     = -std=c11 -D_GNU_SOURCE -DZEROBOOT_VERSION='"$(VERSION)"' $(WARN) $(UAPI) -MMD -MP $(BASE_$(MODE))
# General registers only: the program's vector registers stay in the CPU.
KBASE   := -std=gnu11 -iquote guest/kernel -O2 -fdata-sections -ffreestanding -fPIE -mgeneral-regs-only -mno-red-zone -fno-stack-protector \
           -fcf-protection=none -fno-asynchronous-unwind-tables -ffunction-sections $(WARN) -MMD -MP
VDSOFLAGS := -std=gnu11 -O2 -fPIC -ffreestanding -fno-stack-protector -fcf-protection=none \
           -fno-asynchronous-unwind-tables -mgeneral-regs-only $(WARN)

HOST_C  := $(wildcard *.c)
HOST_O  := $(HOST_C:%.c=$(O)/%.o)
KERN_C  := $(wildcard guest/kernel/*.c guest/kernel/*/*.c)
KERN_H  := $(wildcard guest/kernel/*.h guest/kernel/*/*.h)
KERN_S  := $(wildcard guest/kernel/*.S)
KERN_O  := $(KERN_C:guest/kernel/%.c=$(O)/kernel/%.o) $(KERN_S:guest/kernel/%.S=$(O)/kernel/%.S.o)

all: zeroboot

# ./zeroboot is the last build, whatever its mode; -f: it may be running.
zeroboot: $(O)/zeroboot build/mode
	cp -f $< $@

build/mode: always
	@mkdir -p $(@D)
	@echo $(MODE) | cmp -s - $@ || echo $(MODE) >$@

$(O)/zeroboot: $(HOST_O) $(O)/blobs.o
	$(CC) $(LINK) $(LDFLAGS) -o $@ $^ $(LIBS)

# The host but its commands, for tests of its own.
build/tests/%: tests/recycle/%.c tests/recycle/snippets.h $(O)/host.a $(O)/blobs.o
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CFLAGS) -I. $(LINK) $(LDFLAGS) -o $@ $< $(O)/blobs.o $(O)/host.a

# Allocations that fail when a test says so.
FAILING := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup

$(O)/zeroboot-oom: $(HOST_O) $(O)/blobs.o tests/oom/fail.c
	$(CC) $(BASE) $(LINK) -o $@ $^ $(FAILING)

# A library: what a unit test has itself is not taken from it.
$(O)/host.a: $(filter-out $(O)/main.o,$(HOST_O))
	rm -f $@
	ar rcs $@ $^

$(O)/unit/%: tests/unit/%.c tests/oom/fail.c $(O)/host.a tests/unit/unit.h tests/oom/fail.h
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CFLAGS) -I. $(LINK) $(LDFLAGS) -o $@ $(filter %.c %.a,$^) $(FAILING)

unit: $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/*.c))

# Turns of the event loop are measured.
$(O)/zeroboot-turns: loop.c $(HOST_O) $(O)/blobs.o
	$(CC) $(BASE) $(CFLAGS) -DZEROBOOT_TURNS $(LINK) $(LDFLAGS) -o $@ $(filter-out $(O)/loop.o,$^)

$(O)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CFLAGS) -c -o $@ $<

$(O)/blobs.o: blobs.S docs/zeroboot.1.in $(wildcard page/*) $(O)/kernel.elf $(O)/agent_sh.so $(O)/agent.py $(wildcard guest/*/agent.* guest/*/training.* guest/*/proof.txt)
	$(KCC) -I$(O) -c -o $@ $<

# One module: the interpreter is given one file.
PYTHON_AGENT := $(patsubst %,guest/python/agent/%.py,head session pieces preload request generators run warm start)

$(O)/agent.py: $(PYTHON_AGENT) Makefile
	@mkdir -p $(@D)
	cat $(PYTHON_AGENT) >$@

# For any C library: its symbols are of no version.
$(O)/agent_sh.so: guest/sh/agent.c guest/abi.h Makefile
	@mkdir -p $(@D)
	$(KCC) -std=c11 -D_GNU_SOURCE -O2 $(WARN) -fPIC -fno-stack-protector -shared -nostdlib -s -o $@ $<

$(O)/kernel.elf: $(KERN_O) guest/kernel/kernel.lds
	$(KCC) -nostdlib -static $(NO_PIE) -Wl,--build-id=none -Wl,--no-relax -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments \
	  -Wl,-T,guest/kernel/kernel.lds -o $@ $(KERN_O)

$(O)/kernel/%.o: guest/kernel/%.c Makefile
	@mkdir -p $(@D)
	$(KCC) $(KBASE) -c -o $@ $<

$(O)/kernel/vdso.so: guest/vdso/vdso.c guest/vdso/vdso.lds guest/kernel/vdso.h
	@mkdir -p $(@D)
	$(KCC) $(VDSOFLAGS) -shared -nostdlib -Wl,-soname=linux-vdso.so.1 -Wl,--hash-style=both -Wl,--build-id=none \
	  -Wl,-T,guest/vdso/vdso.lds -o $@ guest/vdso/vdso.c

$(O)/kernel/vdso_blob.S.o: $(O)/kernel/vdso.so

$(O)/kernel/%.S.o: guest/kernel/%.S guest/abi.h Makefile
	@mkdir -p $(@D)
	$(KCC) -I$(O)/kernel -c -o $@ $<

-include $(wildcard $(O)/*.d $(O)/kernel/*.d $(O)/kernel/*/*.d)

# ---- images and templates ----
LANGUAGES := python node sh

build/%-root/.done: guest/%/build.sh guest/%/packages.txt guest/root.sh guest/base.txt
	guest/release.sh guest/$*/build.sh build/$*-root
	touch $@

build/node-root/.done: guest/node/addon.cc
build/python-root/.done build/python-data-root/.done: guest/python/library.sh
build/python-data-root/.done: $(wildcard guest/python-data/*)

build/%.trimmed: build/%-root/.done guest/trim.sh
	guest/trim.sh build/$*-root
	touch $@

build/%.img: build/%.trimmed | zeroboot
	./zeroboot image build -o $@ build/$*-root

# As they are copied.
build/%.img.gz: build/%.img
	gzip -9nc $< >$@.tmp && mv $@.tmp $@

# The image beside its template, once on the disk.
templates/%.img: build/%.img
	@mkdir -p templates
	ln -f $< $@ 2>/dev/null || cp $< $@

# INSIDE is what runs a command in a machine that has /dev/kvm, and brings back a file.
templates/%.zbt: templates/%.img zeroboot
	$(INSIDE:%=% --back $@) ./zeroboot template build -o $@ $<

.SECONDARY: build/python-data-root/.done build/python-data.trimmed build/python-data.img templates/python-data.img
.SECONDARY: $(LANGUAGES:%=build/%-root/.done) $(LANGUAGES:%=build/%.trimmed) $(LANGUAGES:%=build/%.img) $(LANGUAGES:%=templates/%.img)

templates: $(LANGUAGES:%=templates/%.zbt)

# Python with matplotlib and what else people work on data with.
data: all templates/python-data.zbt

# ---- documents that are made of the source ----
$(O)/syscalls: docs/syscalls.c guest/kernel/syscalls.def
	@mkdir -p $(@D)
	$(KCC) -std=c11 -O1 $(WARN) -o $@ $<

docs/syscalls.md: $(O)/syscalls
	$(O)/syscalls >$@.new && mv $@.new $@ || { rm -f $@.new; false; }

docs/kernel.md: docs/files.py $(KERN_C) $(KERN_H)
	python3 docs/files.py kernel '$(FLOORS)' >$@.new && mv $@.new $@ || { rm -f $@.new; false; }

docs/host.md: docs/files.py $(HOST_C) $(wildcard *.h)
	python3 docs/files.py host >$@.new && mv $@.new $@ || { rm -f $@.new; false; }

docs/metrics.md: docs/metrics.py $(HOST_C)
	python3 docs/metrics.py >$@.new && mv $@.new $@ || { rm -f $@.new; false; }

docs: docs/syscalls.md docs/kernel.md docs/host.md docs/metrics.md

# ---- the two commands ----
# Before anything is installed or made: without it there is no VM.
device:
	@[ -r /dev/kvm ] && [ -w /dev/kvm ] || { echo 'zeroboot: make run: /dev/kvm is not there, or may not be opened (make, then ./zeroboot doctor says what to do)' >&2; exit 1; }

setup:
	./deploy/setup.sh

# One after the other, also with -j.
run: device
	./deploy/setup.sh
	$(MAKE) -j $(shell nproc) all templates
	./zeroboot serve

test:
	./deploy/setup.sh test
	./deploy/setup.sh appliance
	$(MAKE) -j $(shell nproc) $(if $(wildcard /dev/kvm),,INSIDE=tests/inside/run.py) all templates build/tests/recycle build/tests/states build/tests/session build/tests/derive $(O)/syscalls
	./tests/run.sh

test-svm:
	./deploy/setup.sh test
	$(MAKE) all $(LANGUAGES:%=build/%.img)
	./tests/run.sh svm

test-vmx:
	./deploy/setup.sh test
	$(MAKE) all $(LANGUAGES:%=build/%.img)
	./tests/run.sh vmx

# Three readers of the source: gcc's analyser, clang's with the checks in
# .clang-tidy, cppcheck. Nothing they say is let pass. gcc's loses pointers that
# go into lists and callbacks: leaks are left to clang's and to LeakSanitizer.
LINT_HOST := -std=c11 -D_GNU_SOURCE -DZEROBOOT_VERSION='"$(VERSION)"'
LINT_KERN := -std=gnu11 -iquote guest/kernel -ffreestanding -mgeneral-regs-only -mno-red-zone
ANALYZE   := -fanalyzer -Wno-analyzer-malloc-leak -o /dev/null -c
LINT      := $(HOST_C:%=lint/%) $(KERN_C:%=lint/%)

# The guest kernel's floors, from the lowest: a file includes and calls what is on
# its own floor or beneath. The groups that may call each other are one noun in
# several files.
FLOORS := kernel syscalls hypercall log random string, \
          mm/frame mm/pte heap text, \
          mm/*, \
          host, \
          task/* patch vdso, \
          request session, \
          fs/* task/exec task/elf task/arguments, \
          io/* task/clone task/wait, \
          net/*, \
          main syscall fault operand system compare audit
GROUPS := mm/page mm/pool, \
          mm/map mm/advise mm/resident mm/protect, \
          task/* patch, \
          fs/file fs/descriptor fs/lock fs/owner, \
          io/tty io/line io/echo io/tty_output io/termios io/tty_control io/pty, \
          fs/vfs fs/entry fs/image fs/ramfs fs/xattrs, \
          net/socket net/message net/netlink net/route net/option net/unix net/name net/garbage net/pending net/inet net/inet_option net/inet_control net/group net/port net/endpoint net/tcp net/stream net/udp net/interface net/inet_proc

floors:
	@echo '$(FLOORS)'

layers: $(O)/kernel.elf
	@python3 tests/layers.py guest/kernel $(O)/kernel '$(FLOORS)' '$(GROUPS)'

# The host's files that know of VMs. All others, the front end's and what everybody
# uses, have no path to KVM's header.
VM := command_serve command_mcp account tables base delta delta_pages delta_registers session_file resident doctor worker rings relay outbox outputs interrupt load build proof machine snapshot template control recycle host vmm vmm_boot vmm_run run bench seccomp
FRONT := $(filter-out $(VM:%=%.c),$(HOST_C))

front:
	@for f in $(FRONT); do \
	  gcc $(LINT_HOST) -M $$f | grep -q linux/kvm.h && { echo "$$f includes KVM's header" >&2; exit 1; }; done; true

FORMATTED = $(shell git ls-files "*.c" "*.h" 2>/dev/null || find . -name "*.[ch]" -not -path "./build/*")

format: lint-tools
	clang-format -i $(FORMATTED)

format-check: lint-tools
	clang-format --dry-run --Werror $(FORMATTED)

# A command behind `!` fails no test of bats unless it is the last: `run !` does.
can-fail:
	@! grep -n '^[[:space:]]*! ' tests/*.bats tests/*/*.bats

lint: lint-tools
	@$(MAKE) -s -j $(shell nproc) -k --output-sync $(LINT) layers front format-check can-fail cppcheck

# What it has found of a file stays in build/lint until the file changes. It does not
# know C11's word for what never returns.
CPPCHECK := cppcheck --quiet --enable=warning,performance --std=c11 --inline-suppr --error-exitcode=1 \
            --suppress=comparePointers -j $(shell nproc) '-D_Noreturn=__attribute__((noreturn))'
cppcheck: lint-tools
	@mkdir -p build/lint/host build/lint/kernel
	@$(CPPCHECK) --cppcheck-build-dir=build/lint/host $(filter -D%,$(LINT_HOST)) $(HOST_C)
	@$(CPPCHECK) --cppcheck-build-dir=build/lint/kernel -I guest/kernel $(KERN_C)

lint-tools:
	@./deploy/setup.sh lint

lint/guest/kernel/%.c: lint-tools
	@tests/lint.sh guest/kernel/$*.c $(filter-out -M%,$(KBASE)) $(ANALYZE) -- $(LINT_KERN)

lint/%.c: lint-tools
	@tests/lint.sh $*.c $(LINT_HOST) -O2 $(WARN) $(ANALYZE) -- $(LINT_HOST) -Wno-gnu-variable-sized-type-not-at-end

# Each target for FUZZ_SECONDS.
FUZZ_SECONDS ?= 1200
fuzz:
	./deploy/setup.sh test
	./tests/fuzz/run.sh $(FUZZ_SECONDS)

# Mixtures of runs, ordinary and hostile, and of what is done with sessions.
SOAK_REQUESTS ?= 200000
SOAK_SESSIONS ?= 50000
soak:
	./deploy/setup.sh test
	$(MAKE) all templates
	SOAK_REQUESTS=$(SOAK_REQUESTS) python3 tests/soak.py
	SOAK_SESSIONS=$(SOAK_SESSIONS) python3 tests/session_soak.py
	python3 tests/session_model.py --rounds 100

# CPython's own tests, natively and in the guest; MODULES='test_os test_io' for some.
compat: all build/python-root/.done
	python3 tests/compat/compat.py $(MODULES)

# Programs of other people, natively and in the guest.
programs: all build/node-root/.done
	./deploy/setup.sh test
	bats tests/programs/programs.bats

# A machine that is zeroboot and nothing else.
APPLIANCE_LANGUAGES ?= $(LANGUAGES)
appliance: $(APPLIANCE_LANGUAGES:%=build/%.img)
	./deploy/setup.sh appliance
	$(MAKE) MODE=release build/release/zeroboot
	./appliance/build.sh build/appliance $^

test-appliance:
	./deploy/setup.sh test
	./deploy/setup.sh appliance
	$(MAKE) all build/sh.img
	./tests/run.sh appliance

build/bench/load: bench/load.c
	@mkdir -p $(@D)
	gcc -std=c11 -O2 $(WARN) -o $@ $<

build/bench/counters build/bench/session_counts: build/bench/%: bench/%.c $(O)/host.a $(O)/blobs.o
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CFLAGS) -I. $(LINK) $(LDFLAGS) -o $@ $< $(O)/blobs.o $(O)/host.a

bench: all templates build/bench/load
	./zeroboot bench
	./zeroboot bench -l node
	python3 bench/run.py

# ---- installing and packing ----
STAGE := $(O)/stage
# The time of all that is packed: that of the last commit, or of this file.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y Makefile)
export SOURCE_DATE_EPOCH DESTDIR PREFIX

stage: $(O)/stage.done
$(O)/stage.done: zeroboot $(wildcard deploy/* docs/*.md) README.md CHANGES.md CONTRIBUTING.md SECURITY.md LICENSE
	./deploy/stage.sh ./zeroboot $(STAGE)
	touch $@

install: stage
	$(STAGE)/install.sh

uninstall:
	./deploy/install.sh -u

dist: stage
	./deploy/dist.sh $(STAGE) build/zeroboot-$(VERSION).tar.gz

deb: stage $(LANGUAGES:%=build/%.img.gz)
	./deploy/deb.sh $(STAGE) $(VERSION) build/zeroboot_$(VERSION)_amd64.deb $(LANGUAGES:%=build/%.img.gz)

# The clients' packages, of Python and of Node.
sdk:
	./deploy/setup.sh test
	./sdk/build.sh build/sdk

clean:
	rm -rf build/release build/debug build/sanitize build/mode zeroboot templates

distclean: clean
	rm -rf build

help:
	@echo 'all        ./zeroboot, one static binary'
	@echo 'templates  templates/*.zbt, from distribution packages'
	@echo 'data       the language python-data: Python with matplotlib, scipy, scikit-learn and others'
	@echo 'build/python.img.gz, node, sh: the images, packed, as they are copied'
	@echo 'run        install what is missing, build, serve on 127.0.0.1:8080'
	@echo 'test       install what is missing, build, run every test'
	@echo 'unit       the unit tests; tests/unit/run.sh runs them'
	@echo 'test-svm   the part of it that runs on emulated SVM; test-vmx: on emulated VMX'
	@echo 'appliance  build/appliance: a kernel, an initramfs, a disk that are zeroboot; test-appliance boots them'
	@echo 'format     the C files by .clang-format; format-check, part of lint'
	@echo 'front      that the front end includes nothing of KVM, part of lint'
	@echo 'layers     the floors of the guest kernel, part of lint'
	@echo 'lint       the source through gcc -fanalyzer, clang-tidy and cppcheck'
	@echo 'fuzz       parsers, channels, shared pages, files under libFuzzer, FUZZ_SECONDS=1200 each'
	@echo 'soak       SOAK_REQUESTS=200000 runs of all sorts, each answer checked'
	@echo 'compat     tests of CPython, natively and in the guest, those that are lost'
	@echo 'programs   git, gcc, pytest, pip, Go, esbuild and others, natively and in the guest'
	@echo 'bench      fork and run times as a table'
	@echo 'docs       docs/syscalls.md, kernel.md, host.md and metrics.md, from the source'
	@echo 'install    zeroboot, its manual, completion and systemd units into $$(DESTDIR)$$(PREFIX); uninstall'
	@echo 'dist       build/zeroboot-$(VERSION).tar.gz, which has an install.sh'
	@echo 'deb        a Debian package with the images of LANGUAGES (python node sh)'
	@echo 'sdk        build/sdk: the packages of sdk/python and sdk/node'
	@echo 'clean, distclean; MODE=debug; SANITIZE=1: the host side with ASan and UBSan'

always:

.PHONY: all always data device docs layers front can-fail floors format format-check templates setup run test test-svm test-vmx test-appliance appliance unit lint lint-tools fuzz soak compat programs bench stage install uninstall dist deb sdk clean distclean help
