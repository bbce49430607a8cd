/*
 * recycle_result.h: what became of a VM after its run. Workers find it out, the
 * front end counts it.
 */
#ifndef ZEROBOOT_RECYCLE_RESULT_H
#define ZEROBOOT_RECYCLE_RESULT_H

enum recycle_result {
	RECYCLE_DONE,
	RECYCLE_TABLES,    /* a page-table page was written, */
	RECYCLE_PROCESSES, /* by a run that says it had processes */
	RECYCLE_REGISTERS, /* a control register or descriptor table moved, or an
			    * event is pending */
	RECYCLE_GREW,      /* too much was written to be worth it */
	RECYCLE_FAILED,    /* KVM refused something */
	RECYCLE_UNFINISHED, /* the run was cut off, or --fresh: not tried */
	RECYCLE_RESULTS
};

/* For people and metrics. */
const char *recycle_name(enum recycle_result result);

#endif
