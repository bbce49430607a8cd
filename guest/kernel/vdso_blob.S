/* vdso_blob.S: the vDSO, built from guest/vdso. */
	.section .rodata
	.balign 64
	.globl vdso_blob, vdso_blob_end
vdso_blob:
	.incbin "vdso.so"
vdso_blob_end:
	.section .note.GNU-stack, "", @progbits
