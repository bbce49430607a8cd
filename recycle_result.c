#include "recycle_result.h"

const char *recycle_name(enum recycle_result result)
{
	static const char *const names[RECYCLE_RESULTS] = {
		"recycled", "page_tables", "processes", "registers",
		"grew",     "failed",      "unfinished"
	};

	return result < RECYCLE_RESULTS ? names[result] : "unknown";
}
