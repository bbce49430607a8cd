/* command_image.c: `zeroboot image`. */
#include "command.h"
#include "image_build.h"
#include "image_info.h"

static const char *output;
static bool list;

static const struct option build_options[] = { { .letter = "-o",
						 .name = "--output",
						 .value = "FILE",
						 .required = true,
						 .text = &output,
						 .help = "the image, which is "
							 "replaced when the "
							 "new one is whole" },
					       { 0 } };

static int run_build(int count, char **operands)
{
	struct err e = { "" };

	(void)count;
	return image_build(output, operands[0], &e) < 0 ? command_failed(&e) :
							  0;
}

static const struct command build = {
	.name = "build",
	.operands = "DIR|TAR|-",
	.summary = "Pack a root file system: a directory, a tar, what docker "
		   "export and docker save write.",
	.options = build_options,
	.run = run_build,
	.least = 1,
	.most = 1,
};

static const struct option info_options[] = { { .letter = "-l",
						.name = "--list",
						.flag = &list,
						.help = "each file, too" },
					      { 0 } };

static int run_info(int count, char **operands)
{
	struct err e = { "" };

	(void)count;
	return image_info(operands[0], list, &e) < 0 ? command_failed(&e) : 0;
}

static void print_columns(FILE *to)
{
	fputs("The columns of -l: mode (octal, with the type), links, owner, "
	      "group, bytes (of\na device its number), time of the last change "
	      "(seconds since 1970), path, ->\nand a link's target, "
	      "attributes.\n",
	      to);
}

static const struct command info = {
	.name = "info",
	.operands = "FILE",
	.summary = "Show what is in an image.",
	.more = print_columns,
	.options = info_options,
	.run = run_info,
	.least = 1,
	.most = 1,
};

const struct command command_image = {
	.name = "image",
	.summary = "Images: root file systems in a file.",
	.commands = (const struct command *const[]){ &build, &info, NULL },
};
