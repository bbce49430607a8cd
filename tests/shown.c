/* shown.c: what a program in an image was started with, and the attributes of
 * /file: tests/image.py. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

int main(int argc, char **argv, char **envp)
{
	char cwd[4096], names[4096], value[4096];
	struct stat st;
	ssize_t n;

	printf("cwd %s\n", getcwd(cwd, sizeof(cwd)));
	for (int i = 0; i < argc; i++)
		printf("argument %s\n", argv[i]);
	for (; *envp; envp++)
		printf("variable %s\n", *envp);
	n = listxattr("/file", names, sizeof(names));
	for (char *name = names; name < names + n; name += strlen(name) + 1)
		printf("attribute %s=%.*s\n", name,
		       (int)getxattr("/file", name, value, sizeof(value)),
		       value);
	if (n > 0 && stat("/file", &st) == 0 && st.st_ctime == st.st_mtime)
		printf("change %d %d\n",
		       setxattr("/file", "user.a", "new", 3, 0),
		       removexattr("/file", "user.b"));
	n = getxattr("/file", "user.a", value, sizeof(value));
	if (n > 0)
		printf("after %.*s %zd\n", (int)n, value,
		       getxattr("/file", "user.b", value, sizeof(value)));
	return 0;
}
