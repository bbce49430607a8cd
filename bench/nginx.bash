# nginx.bash: an nginx beside which the HTTP layer is measured, for scripts of bench/.

# Its configuration, in a directory, for a port: one process, a line of a log for
# each request as ours writes one, and at /v1/health the answer in DIR/body.
nginx_config() { # DIR PORT
	cat >"$1/nginx.conf" <<NGINX
worker_processes 1;
pid $1/nginx.pid;
error_log $1/error.log;
events { worker_connections 4096; }
http {
	access_log $1/access.log;
	keepalive_requests 100000000;
	server {
		listen 127.0.0.1:$2;
		location = /v1/health {
			default_type application/json;
			return 200 '$(tr -d '\n' <"$1/body")';
		}
	}
}
NGINX
}
