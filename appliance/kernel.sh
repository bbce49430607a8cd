# Debian's kernels: the cloud's, for the appliance and for the machines that tests
# emulate, or another one.
# shellcheck shell=bash

# The package, unpacked and not installed: this machine's boot stays as it is.
fetch_kernel() { # FOLDER [PACKAGE]
	local folder=$1 flavour=${2:-linux-image-cloud-amd64} package
	[ -e "$folder/.done" ] && return
	rm -rf "$folder"
	mkdir -p "$folder"
	apt-cache show "$flavour" >/dev/null 2>&1 || apt-get update
	package=$(apt-cache depends "$flavour" | awk '/Depends: linux-image/ && !seen++ { print $2 }')
	(cd "$folder" && apt-get -o APT::Sandbox::User=root download "$package")
	dpkg-deb -x "$folder"/*.deb "$folder"
	rm "$folder"/*.deb
	touch "$folder/.done"
}
