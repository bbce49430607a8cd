/* blobs.S: what the binary carries: the guest kernel and the agents. */
	.section .rodata
	.balign 64
	.globl kernel_blob, kernel_blob_end, agent_python, agent_python_end
kernel_blob:
	.incbin "kernel.elf"
kernel_blob_end:
agent_python:
	.incbin "guest/python/agent.py"
agent_python_end:
	.section .note.GNU-stack, "", @progbits
