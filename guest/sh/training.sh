# What the VMs of a template are made warm with: what scripts do without another
# process, each several times.
set -eu
declare -A words=()
numbers=()
double() {
	local n=$1
	printf -v result '%d' $((n * 2))
}
for ((i = 0; i < 50; i++)); do
	double "$i"
	numbers+=("$result")
	words[word$i]=${result^^}
	case $i in
	*[13579]) continue ;;
	2?) : "${numbers[*]}" ;;
	esac
done
while read -r first rest; do
	[[ $first =~ ^([a-z]+)([0-9]*)$ ]] && : "${BASH_REMATCH[1]}" "${rest:-none}"
done <<-'END'
	alpha1 one two three
	beta four
	gamma
END
text="the quick brown fox jumps over the lazy dog"
for word in $text; do
	: "${word/o/0}" "${word%?}" "${word#?}" "${#word}" "${word:1:2}"
done
IFS=, read -r a b c <<<"1,2,3"
printf '%s %5.2f %q %(%Y)T\n' "$a" 1.5 "a b" 0
echo "$b" "$c" "${!words[@]}" "${numbers[@]:0:5}" $RANDOM
mapfile -t lines <<<"$text"
for file in /usr/lib/*; do
	[ -d "$file" ] || continue
done
trap 'echo done' EXIT
while getopts ab: option -a -b value; do : "$option"; done
cd /tmp
echo text >file
cat() { local line; while IFS= read -r line; do echo "$line"; done; }
cat <file
[ -s file ] && . /dev/null
eval 'x=1;' 'echo $x' >&2
# The stack, and frames that a fork will want.
deep() {
	local rest=$(($1 - 1))
	((rest == 0)) || deep "$rest"
}
deep 60
printf -v block '%04096d' 0
for ((i = 0; i < 400; i++)); do
	echo "$block"
done >frames
