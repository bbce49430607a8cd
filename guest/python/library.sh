# library.sh: what an image of Python has beside its packages. Sourced by build.sh of
# the images that have it, after root.sh.

# What a few programs of util-linux want; and what nothing here does.
WITHOUT='perl-base|libsystemd0|liblz4-1|libudev1|python3-pkg-resources'

# In the root: files that nothing here needs go.
relieve_library() {
	rm -rf usr/share/{applications,pixmaps,perl5,debconf} usr/lib/valgrind \
		usr/lib/python3/dist-packages/numpy/{f2py,core/include,distutils/tests} \
		usr/lib/python3.11/{ensurepip,idlelib,turtledemo,tkinter,test}
	find usr/lib/python3/dist-packages -type d -name tests -prune -exec rm -rf {} +
	find usr \( -name '*.a' -o -name '*.la' -o -name '*.pyx' -o -name '*.h' \) -delete
	find usr/lib usr/share -type d -name __pycache__ -prune -exec rm -rf {} +
}

# What maintainer scripts would have made.
link_library() {
	local l
	for l in blas lapack; do
		ln -sf "openblas-pthread/lib$l.so.3" "usr/lib/x86_64-linux-gnu/lib$l.so.3"
	done
	ln -sf openblas-pthread/libopenblas.so.0 usr/lib/x86_64-linux-gnu/libopenblas.so.0
	[ -e usr/bin/python3 ] || ln -s python3.11 usr/bin/python3
	mkdir -p etc/ssl/certs
	find usr/share/ca-certificates -name '*.crt' | LC_ALL=C sort | xargs cat >etc/ssl/certs/ca-certificates.crt
	ldconfig -r .
	rm -rf var/cache
}

# So that no import compiles or checks a time stamp.
compile_library() {
	PYTHONHASHSEED=0 chroot . /usr/bin/python3.11 -m compileall -q --invalidation-mode unchecked-hash \
		usr/lib/python3.11 usr/lib/python3 >/dev/null || die "cannot compile the library"
}
