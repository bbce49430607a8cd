# Three files, a library and a Makefile; what is wrong, too.
set -eu
cd /tmp
cat >add.c <<'C'
#include "parts.h"
int add(int a, int b) { return a + b; }
C
cat >say.c <<'C'
#include <math.h>
#include <stdio.h>
#include "parts.h"
void say(const char *what, int n) { printf("%s: %d, %.3f\n", what, n, sqrt(n)); }
C
cat >main.c <<'C'
#include <pthread.h>
#include <stdlib.h>
#include "parts.h"
static void *run(void *p) { say("thread", add(*(int *)p, 1)); return NULL; }
int main(int argc, char **argv)
{
	pthread_t t;
	int n = argc > 1 ? atoi(argv[1]) : 41;
	pthread_create(&t, NULL, run, &n);
	pthread_join(t, NULL);
	return add(n, -38);
}
C
echo 'int add(int, int); void say(const char *, int);' >parts.h
cat >Makefile <<'M'
CC = gcc
objects = main.o add.o say.o
program: $(objects)
	$(CC) -o $@ $^ -lm -pthread
%.o: %.c parts.h
	$(CC) -O2 -Wall -c -o $@ $<
clean:
	rm -f program $(objects)
M
make -j2 | sort
./program || echo "exit $?"
make
./program 99 || echo "exit $?"
touch parts.h
make -n | sort
make clean
gcc -g -fsanitize=undefined -static-libubsan -o checked main.c add.c say.c -lm 2>&1 && ./checked || echo "exit $?"
echo 'int main(void) { return missing(); }' >wrong.c
gcc -Wall -Werror -o wrong wrong.c || echo "gcc: $?"
echo 'int f(int n) { return n * 3; }' | gcc -O1 -xc -c -o f.o -
ar rcs libf.a f.o
nm libf.a
gcc -shared -fPIC -o libadd.so add.c
printf '#include <dlfcn.h>\n#include <stdio.h>\nint main(void) { int (*f)(int, int) = dlsym(dlopen("./libadd.so", RTLD_NOW), "add"); printf("%%d\\n", f(2, 3)); return 0; }\n' >load.c
gcc -o load load.c && ./load
gcc -static -o static add.c -xc - <<'C' && ./static
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>
#include "parts.h"
int main(void) { int s; if (fork() == 0) { printf("child %d\n", add(1, 2)); return 7; } wait(&s); printf("%d\n", s >> 8); return 0; }
C
echo '#include <stdio.h>' | gcc -E - | grep -c printf
