/*
 * blobs.S: what the binary carries: the guest kernel, the agents, their training, and
 * what proves a template, the manual, the page.
 */
	.section .rodata
	.balign 64
	.globl kernel_blob, kernel_blob_end, agent_python, agent_python_end
	.globl training_python, training_python_end
	.globl agent_sh, agent_sh_end, training_sh, training_sh_end
	.globl blobs_end, proof_python, proof_python_end, proof_node, proof_node_end
	.globl proof_sh, proof_sh_end
	.globl agent_node, agent_node_end, training_node, training_node_end
kernel_blob:
	.incbin "kernel.elf"
kernel_blob_end:
agent_python:
	.incbin "agent.py"
agent_python_end:
training_python:
	.incbin "guest/python/training.py"
training_python_end:
proof_python:
	.incbin "guest/python/proof.txt"
proof_python_end:
agent_node:
	.incbin "guest/node/agent.js"
agent_node_end:
training_node:
	.incbin "guest/node/training.js"
training_node_end:
proof_node:
	.incbin "guest/node/proof.txt"
proof_node_end:
agent_sh:
	.incbin "agent_sh.so"
agent_sh_end:
training_sh:
	.incbin "guest/sh/training.sh"
training_sh_end:
proof_sh:
	.incbin "guest/sh/proof.txt"
proof_sh_end:
blobs_end:
	.globl manual, manual_end
manual:
	.incbin "docs/zeroboot.1.in"
manual_end:
	.globl page, page_end, page_style, page_style_end, page_script, page_script_end
page:
	.incbin "page/head.html"
	.ascii "<style>"
page_style:
	.incbin "page/style.css"
page_style_end:
	.ascii "</style>"
	.incbin "page/body.html"
	.ascii "<script>"
page_script:
	.incbin "page/script.js"
page_script_end:
	.ascii "</script>\n</body>\n</html>\n"
page_end:
	.section .note.GNU-stack, "", @progbits
