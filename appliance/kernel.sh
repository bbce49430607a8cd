# Debian's cloud kernel, for the appliance and for the machines that tests emulate.
# shellcheck shell=bash

# The package, unpacked and not installed: this machine's boot stays as it is.
fetch_kernel() { # FOLDER
	local folder=$1 package
	[ -e "$folder/.done" ] && return
	rm -rf "$folder"
	mkdir -p "$folder"
	apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1 || apt-get update
	package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ && !seen++ { print $2 }')
	(cd "$folder" && apt-get -o APT::Sandbox::User=root download "$package")
	dpkg-deb -x "$folder"/*.deb "$folder"
	rm "$folder"/*.deb
	touch "$folder/.done"
}
