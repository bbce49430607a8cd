# A server of terminals, and windows in it.
export TERM=xterm LC_ALL=C.UTF-8 HOME=/tmp SHELL=/bin/bash
cd /tmp
until_true() {
	for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
	echo "in vain: $*"
}
three_lines() { [ "$(wc -l <out)" -eq 3 ]; }
shows() { tmux capture-pane -p -t "$1" | grep -q "^$2"; }
tmux -f /dev/null new-session -d -s a -x 80 -y 24 "bash --norc" || echo "failed: $?"
tmux list-sessions -F '#{session_name} #{window_width}x#{window_height}'
tmux send-keys -t a 'echo hello $((6 * 7)) >out; stty size >>out; tty | cut -c1-9 >>out' Enter
until_true three_lines
cat out
tmux split-window -t a "cat"
tmux list-panes -t a -F '#{pane_width}x#{pane_height}'
tmux send-keys -t a.1 'typed' Enter
until_true shows a.1 typed
tmux send-keys -t a.0 'clear; stty size' Enter
until_true shows a.0 '12 80'
tmux send-keys -t a.1 C-c
panes() { [ "$(tmux list-panes -t a | wc -l)" -eq 1 ]; }
until_true panes
tmux list-panes -t a -F '#{pane_width}x#{pane_height}'
tmux kill-server
echo "$?"
