# What a session of bash should say: evaluates the snippets snippet.0 and on, and leaves
# of each out.N, err.N and code.N. All of its own names begin with model.
model_at=/app
for ((model_n = 0; ; model_n++)); do
	[ -e $model_at/snippet.$model_n ] || break
	model_code=$(cat $model_at/snippet.$model_n)
	(exit "${model_last:-0}")
	eval "$model_code" >$model_at/out.$model_n 2>$model_at/err.$model_n
	model_last=$?
	echo $model_last >$model_at/code.$model_n
done
