// addon.cc: what the agent needs that JavaScript cannot do: to wait for the
// request, to make the copies of one template draw different random numbers, and
// to end without taking V8 apart, which the VM's end does for nothing.
// It is compiled against the headers of the very Node.js it runs in.
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <csignal>
#include <ctime>
#include <string>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <node.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <uv.h>

// Exported by the program, though not declared in its headers.
namespace node::binding {
void GetInternalBinding(const v8::FunctionCallbackInfo<v8::Value> &args);
}
namespace node::per_process {
extern uint64_t node_start_time; // nanoseconds on the monotonic clock
}
namespace node::performance {
extern uint64_t performance_process_start; // the same
extern double performance_process_start_timestamp; // microseconds since 1970
}

namespace {
using v8::Array;
using v8::ArrayBufferView;
using v8::Context;
using v8::FunctionCallbackInfo;
using v8::Global;
using v8::HandleScope;
using v8::Isolate;
using v8::Local;
using v8::Object;
using v8::Private;
using v8::Promise;
using v8::String;
using v8::Value;

// V8's source of random numbers for an isolate: what it seeds each context's
// Math.random() with, at the first call. (base::RandomNumberGenerator)
struct Generator {
	int64_t initial_seed;
	uint64_t state0, state1;
};

Generator *generator;
// internalBinding('performance').milestones: microseconds since 1970, and
// nanoseconds on the monotonic clock, the origin first.
double *origin_wall, *milestones[4];
uint64_t loaded_at; // monotonic
// process[exit_info_private_symbol]
int32_t *exit_info;
int32_t exit_code_at, has_exit_code_at;
Global<Context> main_context;
Global<Private> entry_promise;

constexpr int unsettled_top_level_await = 13; // Node's exit codes

[[noreturn]] void die(const char *what)
{
	dprintf(STDERR_FILENO, "zeroboot: node agent: %s\n", what);
	_exit(70);
}

Local<String> name(Isolate *isolate, const char *text)
{
	return String::NewFromUtf8(isolate, text).ToLocalChecked();
}

Local<Value> get(Local<Context> context, Local<Value> object, const char *key)
{
	Local<Value> value;

	if (!object.As<Object>()->Get(context, name(context->GetIsolate(), key)).ToLocal(&value) ||
	    value->IsUndefined())
		die(key);
	return value;
}

int32_t get_int(Local<Context> context, Local<Value> object, const char *key)
{
	return get(context, object, key).As<v8::Int32>()->Value();
}

void *data_of(Local<Value> view)
{
	auto array = view.As<ArrayBufferView>();

	return static_cast<char *>(array->Buffer()->Data()) + array->ByteOffset();
}

// ---- random numbers ----

uint64_t murmur(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xFF51AFD7ED558CCD;
	h ^= h >> 33;
	h *= 0xC4CEB9FE1A85EC53;
	return h ^ h >> 33;
}

// Whether g is a generator that was seeded and has made a few numbers since.
bool is_generator(const Generator &g)
{
	uint64_t a = murmur(static_cast<uint64_t>(g.initial_seed)), b = murmur(~a);

	for (int i = 0; i < 10000; i++) {
		if (a == g.state0 && b == g.state1)
			return true;
		uint64_t s1 = a, s0 = b; // xorshift128+
		s1 ^= s1 << 23;
		s1 ^= s1 >> 17;
		s1 ^= s0;
		s1 ^= s0 >> 26;
		a = s0;
		b = s1;
	}
	return false;
}

// Copies from an address that may not be mapped, by way of a pipe.
bool probe(const int pipe[2], const void *from, void *to, size_t size)
{
	return write(pipe[1], from, size) == static_cast<ssize_t>(size) &&
	       read(pipe[0], to, size) == static_cast<ssize_t>(size);
}

// The isolate has a pointer to its generator, at a place that no header tells.
Generator *find_generator(Isolate *isolate)
{
	constexpr size_t isolate_size = 1 << 18;
	auto *words = reinterpret_cast<Generator *const *>(isolate);
	Generator *found = nullptr, *candidate, copy;
	int p[2];

	if (pipe(p))
		die("pipe");
	for (size_t i = 0; !found && i < isolate_size / sizeof(*words) &&
			   probe(p, &words[i], &candidate, sizeof(candidate)); i++)
		if (candidate && reinterpret_cast<uintptr_t>(candidate) % 16 == 0 &&
		    probe(p, candidate, &copy, sizeof(copy)) && copy.initial_seed && is_generator(copy))
			found = candidate;
	close(p[0]);
	close(p[1]);
	return found;
}

// OpenSSL's generators are made anew at their next use.
void forget_keys()
{
	for (auto *generator : { RAND_get0_private(nullptr), RAND_get0_public(nullptr), RAND_get0_primary(nullptr) })
		if (generator)
			EVP_RAND_uninstantiate(generator);
}

void reseed()
{
	uint64_t state[2] = { 0, 0 };

	if (getrandom(state, sizeof(state), 0) != sizeof(state))
		die("getrandom");
	generator->state0 = state[0];
	generator->state1 = state[1] | 1; // never all zeros
}

uint64_t clock_ns(clockid_t clock)
{
	timespec t;

	clock_gettime(clock, &t);
	return static_cast<uint64_t>(t.tv_sec) * 1000000000 + static_cast<uint64_t>(t.tv_nsec);
}

// As if what the agent has done, and the snapshot, had taken no time: programs
// see the age and the milestones of a process that has just started.
void set_time_origin()
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), lost = now - loaded_at;

	for (double *milestone : milestones)
		*milestone += static_cast<double>(lost);
	node::performance::performance_process_start += lost;
	node::per_process::node_start_time += lost;
	*origin_wall = static_cast<double>(clock_ns(CLOCK_REALTIME)) / 1e3 -
		       (static_cast<double>(now) - *milestones[0]) / 1e3;
	// What Worker threads have as theirs.
	node::performance::performance_process_start_timestamp = *origin_wall;
}

// The event loop has never turned or waited. What libuv counts is in a part of the
// loop that its headers do not describe: first its flags, then the metrics.
void forget_turns()
{
	uv_loop_t *loop = node::GetCurrentEventLoop(Isolate::GetCurrent());
	auto *words = static_cast<uint64_t *>(loop->internal_fields) + 1;
	constexpr size_t idle = sizeof(uv_metrics_t) / sizeof(*words) + 1;
	uv_metrics_t metrics;

	if (uv_metrics_info(loop, &metrics) || memcmp(words, &metrics, sizeof(metrics)) ||
	    words[idle] != uv_metrics_idle_time(loop))
		die("the event loop's metrics are not where they should be");
	memset(words, 0, sizeof(metrics));
	words[idle] = 0;
}

// The next Worker has the number 1 again. The counter is the operand of the one
// instruction that the function that counts has: lock xadd %rax, counter(%rip).
void forget_threads()
{
	static const unsigned char add[] = { 0xf0, 0x48, 0x0f, 0xc1, 0x05 };
	auto *code = reinterpret_cast<const unsigned char *>(&node::AllocateEnvironmentThreadId);
	auto *at = static_cast<const unsigned char *>(memmem(code, 32, add, sizeof(add)));
	int32_t distance;

	if (!at)
		die("the counter of threads was not found");
	memcpy(&distance, at + sizeof(add), sizeof(distance));
	auto *counter = reinterpret_cast<uint64_t *>(const_cast<unsigned char *>(at) + sizeof(add) + sizeof(distance) + distance);
	uint64_t last = node::AllocateEnvironmentThreadId().id;
	if (*counter != last + 1)
		die("the counter of threads is not where it should be");
	*counter = 1;
}

// ---- the end ----

bool run_awaits; // of a template that a session has become: its code has not ended

bool awaits_forever(Isolate *isolate)
{
	HandleScope scope(isolate);
	Local<Context> context = main_context.Get(isolate);
	Local<Value> promise;

	return context->Global()->GetPrivate(context, entry_promise.Get(isolate)).ToLocal(&promise) &&
	       promise->IsPromise() && promise.As<Promise>()->State() == Promise::kPending;
}

// Called when 'exit' has been emitted and nothing of the program runs any more.
void at_cleanup(void *isolate)
{
	if (exit_info[has_exit_code_at])
		_exit(exit_info[exit_code_at]);
	_exit(run_awaits || awaits_forever(static_cast<Isolate *>(isolate)) ? unsettled_top_level_await : 0);
}

// ---- called by the agent ----

int session = -1; // /dev/zeroboot, of a session

// Runs what is due in the event loop, and waits for something first.
void turn(const FunctionCallbackInfo<Value> &args)
{
	uv_run(node::GetCurrentEventLoop(args.GetIsolate()), UV_RUN_ONCE);
}

// Takes from the event loop what threads have told it, so that no run has to.
void listen(uv_loop_t *loop)
{
	static uv_idle_t idle; // a loop without a handle does not look

	uv_idle_init(loop, &idle);
	uv_idle_start(&idle, [](uv_idle_t *) {});
	uv_run(loop, UV_RUN_NOWAIT);
	uv_idle_stop(&idle);
	uv_close(reinterpret_cast<uv_handle_t *>(&idle), nullptr);
	uv_run(loop, UV_RUN_NOWAIT);
}

// Frees what is garbage; the threads that help with that have nothing left to do.
void collect(const FunctionCallbackInfo<Value> &args)
{
	Isolate *isolate = args.GetIsolate();

	isolate->LowMemoryNotification();
	node::GetMultiIsolatePlatform(node::GetCurrentEnvironment(isolate->GetCurrentContext()))->DrainTasks(isolate);
	if (session < 0) // in one the loop turns by itself
		listen(node::GetCurrentEventLoop(isolate));
}

void write_all(int fd, const char *p, size_t size)
{
	while (size) {
		ssize_t n = write(fd, p, size);

		if (n <= 0)
			die("cannot write the program");
		p += n;
		size -= static_cast<size_t>(n);
	}
}

// Strings with a NUL behind each, up to a read of nothing.
Local<Value> read_strings(Isolate *isolate, int request)
{
	Local<Context> context = isolate->GetCurrentContext();
	Local<Array> list = Array::New(isolate);
	std::string all;
	char piece[4096];
	ssize_t n;
	uint32_t count = 0;

	while ((n = read(request, piece, sizeof(piece))) > 0)
		all.append(piece, static_cast<size_t>(n));
	for (size_t at = 0, end; at < all.size(); at = end + 1) {
		end = all.find('\0', at);
		Local<String> text = String::NewFromUtf8(isolate, &all[at], v8::NewStringType::kNormal,
							 static_cast<int>(end - at)).ToLocalChecked();
		list->Set(context, count++, text).Check();
	}
	return list;
}

// All that is left to read.
std::string read_rest(int request)
{
	std::string all;
	char piece[4096];
	ssize_t n;

	while ((n = read(request, piece, sizeof(piece))) > 0)
		all.append(piece, static_cast<size_t>(n));
	return all;
}

// ---- sessions ----

Isolate *session_isolate;
uv_idle_t turn_handle;
uv_async_t interrupt_handle;
volatile sig_atomic_t interrupted, stepping; // stepping: step runs, which is the agent's own
constexpr long PATIENCE_NS = 20'000'000;
timer_t patience; // runs from an interrupt until it is obeyed
bool has_patience;
struct sigaction before; // SIGINT's, as Node.js has it
Global<v8::Function> step, on_interrupt, dispatch;
Global<Object> connection;
Global<Value> views[2]; // of what Node.js notes of calls that are under way:
volatile uint32_t *calls_noted;
volatile double *call_ids; // of the last, and of what it is due to

// Where programs do not look: beyond the limit of their descriptors.
void keep_request(int request)
{
	rlimit limit, more;

	getrlimit(RLIMIT_NOFILE, &limit);
	more = limit;
	if (more.rlim_cur < more.rlim_max)
		more.rlim_cur++;
	setrlimit(RLIMIT_NOFILE, &more);
	session = fcntl(request, F_DUPFD_CLOEXEC, more.rlim_cur - 1);
	setrlimit(RLIMIT_NOFILE, &limit);
	if (session < 0)
		die("no descriptor for /dev/zeroboot");
	close(request);
}

// The event loop comes to it within microseconds where programs go from callback to callback,
// and nothing of Node.js's own is cut off then. JavaScript that goes on for longer ends where it
// is, and again until the interrupt is obeyed. What has been read of an exec would be lost with
// the agent's step: that ends as ever.
void on_sigint(int, siginfo_t *info, void *)
{
	static const itimerspec again = { { 0, PATIENCE_NS }, { 0, PATIENCE_NS } };

	if (info->si_code != SI_TIMER && !interrupted) {
		interrupted = 1;
		uv_async_send(&interrupt_handle);
		if (has_patience && timer_settime(patience, 0, &again, nullptr) == 0)
			return;
	}
	if (!interrupted || stepping)
		return;
	*calls_noted = 0;
	call_ids[0] = 0;
	call_ids[1] = 0;
	session_isolate->TerminateExecution();
}

// Unless the program listens to it.
void watch_interrupts()
{
	struct sigaction action;

	sigaction(SIGINT, nullptr, &action);
	if (action.sa_handler != SIG_DFL && action.sa_handler != before.sa_handler)
		return;
	action.sa_sigaction = on_sigint;
	action.sa_flags = SA_RESTART | SA_SIGINFO;
	sigaction(SIGINT, &action, nullptr);
}

v8::MaybeLocal<Value> call(Local<Object> of, const Global<v8::Function> &function, int count, Local<Value> *arguments)
{
	return node::MakeCallback(session_isolate, of, function.Get(session_isolate), count, arguments, { 0, 0 });
}

// What waits for its turn behind it is the program's again.
v8::MaybeLocal<Value> call_step(Local<Context> context)
{
	node::CallbackScope scope(session_isolate, context->Global(), { 0, 0 });
	v8::MaybeLocal<Value> message;

	stepping = 1;
	session_isolate->CancelTerminateExecution(); // interrupted is still noted
	message = step.Get(session_isolate)->Call(context, context->Global(), 0, nullptr);
	stepping = 0;
	return message;
}

// Its timer goes with it: the program may listen to what that sends.
void forget_interrupt()
{
	static const itimerspec never = {};

	interrupted = 0;
	if (has_patience)
		timer_settime(patience, 0, &never, nullptr);
}

// It may have come while no JavaScript ran: then what waits for its turn is what it is
// meant for, so V8 is made to terminate that, and forgets all of it: the promises', not
// Node.js's own queue (process.nextTick), which streams need. Nothing of the program's
// runs before the end of the exec is noted, as it might never come to that.
// unasked: step has said what to give to the inspector, which has not been given it.
void obey_interrupt(bool unasked)
{
	Local<Value> argument = v8::Boolean::New(session_isolate, unasked);
	Local<Context> context = session_isolate->GetCurrentContext();

	if (!interrupted)
		return;
	forget_interrupt();
	session_isolate->TerminateExecution();
	session_isolate->PerformMicrotaskCheckpoint();
	session_isolate->CancelTerminateExecution();
	on_interrupt.Get(session_isolate)->Call(context, context->Global(), 1, &argument).FromMaybe(Local<Value>());
}

// Once a turn while there is something to start or to tell. What the inspector is
// given runs with no JavaScript beneath it; if it has ended at once the next exec is
// waited for at once, too.
void on_turn(uv_idle_t *handle)
{
	HandleScope scope(session_isolate);
	Local<Context> context = main_context.Get(session_isolate);
	Context::Scope context_scope(context);
	Local<Value> message;
	bool given, unasked;

	uv_idle_stop(handle);
	do {
		if (!call_step(context).ToLocal(&message)) {
			uv_idle_start(handle, on_turn); // an exec may have been begun
			return;
		}
		given = message->IsString();
		unasked = given && interrupted;
		if (given && !unasked)
			call(connection.Get(session_isolate), dispatch, 1, &message);
		obey_interrupt(unasked);
	} while (given && uv_is_active(reinterpret_cast<uv_handle_t *>(handle)));
}

void on_interrupted(uv_async_t *)
{
	HandleScope scope(session_isolate);
	Context::Scope context_scope(main_context.Get(session_isolate));

	obey_interrupt(false);
}

// What it shows.
void *keep_view(Global<Value> &kept, Local<Value> view)
{
	Local<ArrayBufferView> of = view.As<ArrayBufferView>();

	kept.Reset(session_isolate, view);
	return static_cast<char *>(of->Buffer()->Data()) + of->ByteOffset();
}

// begin(step, interrupted, connection, noted, ids): from now on the event loop calls step.
void begin(const FunctionCallbackInfo<Value> &args)
{
	uv_loop_t *loop = node::GetCurrentEventLoop(args.GetIsolate());
	Local<Context> context = args.GetIsolate()->GetCurrentContext();
	sigevent event = {};

	session_isolate = args.GetIsolate();
	sigaction(SIGINT, nullptr, &before);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = SIGINT;
	has_patience = timer_create(CLOCK_MONOTONIC, &event, &patience) == 0;
	step.Reset(session_isolate, args[0].As<v8::Function>());
	on_interrupt.Reset(session_isolate, args[1].As<v8::Function>());
	connection.Reset(session_isolate, args[2].As<Object>());
	dispatch.Reset(session_isolate, get(context, args[2], "dispatch").As<v8::Function>());
	calls_noted = static_cast<uint32_t *>(keep_view(views[0], args[3]));
	call_ids = static_cast<double *>(keep_view(views[1], args[4]));
	uv_idle_init(loop, &turn_handle);
	uv_async_init(loop, &interrupt_handle, on_interrupted); // and so the loop never ends
	uv_idle_start(&turn_handle, on_turn);
}

// kill(pid, signal): as process._kill, but its own process is not at its end yet: Node.js
// would do what is for the end ahead of any signal that it does not handle, as of SIGINT or
// SIGWINCH, and the inspector would be gone with it.
void kill_process(const FunctionCallbackInfo<Value> &args)
{
	Local<Context> context = args.GetIsolate()->GetCurrentContext();
	int32_t pid, signal;

	if (args[0]->Int32Value(context).To(&pid) && args[1]->Int32Value(context).To(&signal))
		args.GetReturnValue().Set(uv_kill(pid, signal));
}

// wake(): step is to be called again.
void wake(const FunctionCallbackInfo<Value> &)
{
	uv_idle_start(&turn_handle, on_turn);
}

// report(code, text): how an exec has ended; text undefined: there is no result.
void report(const FunctionCallbackInfo<Value> &args)
{
	uint32_t says[2] = { static_cast<uint32_t>(args[0].As<v8::Int32>()->Value()), args[1]->IsString() };
	std::string all(reinterpret_cast<char *>(says), sizeof(says));

	if (says[1])
		all += *String::Utf8Value(args.GetIsolate(), args[1]);
	if (write(session, all.data(), all.size()) < 0)
		die("the end of an exec cannot be told");
}

// Nothing keeps the program from its end but what it does.
void begin_run()
{
	run_awaits = true;
	uv_unref(reinterpret_cast<uv_handle_t *>(&interrupt_handle));
}

// ended(): the code of a run has.
void ended(const FunctionCallbackInfo<Value> &)
{
	run_awaits = false;
}

// draws(): whether random bytes have been made since this was asked.
void draws(const FunctionCallbackInfo<Value> &args)
{
	EVP_RAND_CTX *generator = RAND_get0_public(nullptr);

	args.GetReturnValue().Set(generator && EVP_RAND_get_state(generator) == EVP_RAND_STATE_READY);
	forget_keys();
}

// next(): stops for the next exec. [arguments, variables, code, whether it is the first
// of a copy, whether it is a run, with which the program ends]; undefined: the session is
// to become a template when this is called again.
void next(const FunctionCallbackInfo<Value> &args)
{
	Isolate *isolate = args.GetIsolate();
	bool once, copy;
	int why;

	if (write(session, "", 0) < 0 || read(session, nullptr, 0) >= 0)
		die("no exec");
	why = errno;
	if (why == EINPROGRESS)
		return;
	once = why == ESHUTDOWN || why == ESTRPIPE || why == EMSGSIZE;
	copy = once || why == ENOTUNIQ;
	if (copy) {
		forget_keys();
		reseed();
	}
	if (once)
		begin_run();
	if (interrupted)
		forget_interrupt();
	isolate->CancelTerminateExecution();
	watch_interrupts();
	Local<Value> lists[2];
	for (auto &list : lists)
		list = why == ESHUTDOWN ? Array::New(isolate).As<Value>() : read_strings(isolate, session);
	std::string code = read_rest(session);
	Local<Value> all[] = { lists[0], lists[1],
			       String::NewFromUtf8(isolate, code.data(), v8::NewStringType::kNormal,
						   static_cast<int>(code.size())).ToLocalChecked(),
			       v8::Boolean::New(isolate, copy), v8::Boolean::New(isolate, once) };
	args.GetReturnValue().Set(Array::New(isolate, all, 5));
}

// ---- the request ----

// wait(request, script): the template is taken in the first read; then copies the
// code from the one descriptor to the other and closes both. Returns [arguments,
// variables] where there is more than code, which the first read fails to tell; true
// where it is the first of a session.
void wait(const FunctionCallbackInfo<Value> &args)
{
	static char code[65536];
	int request = args[0].As<v8::Int32>()->Value(), script = args[1].As<v8::Int32>()->Value();
	ssize_t n;

	forget_keys();
	forget_turns();
	forget_threads();
	n = read(request, code, sizeof(code));
	if (n < 0 && errno == EISCONN) {
		keep_request(request);
		close(script);
		reseed();
		set_time_origin();
		args.GetReturnValue().Set(true);
		return;
	}
	if (n < 0) {
		Local<Value> lists[] = { read_strings(args.GetIsolate(), request),
					 read_strings(args.GetIsolate(), request) };
		args.GetReturnValue().Set(Array::New(args.GetIsolate(), lists, 2));
		n = read(request, code, sizeof(code));
	}
	for (; n > 0; n = read(request, code, sizeof(code))) {
		write_all(script, code, static_cast<size_t>(n));
		if (n < static_cast<ssize_t>(sizeof(code)))
			break;
	}
	close(request);
	close(script);
	reseed();
	set_time_origin();
}

// ---- start ----

void find_internals(Local<Context> context)
{
	Isolate *isolate = context->GetIsolate();
	Local<v8::Function> binding = v8::Function::New(context, node::binding::GetInternalBinding).ToLocalChecked();
	auto load = [&](const char *which) {
		Local<Value> argument = name(isolate, which), value;

		if (!binding->Call(context, context->Global(), 1, &argument).ToLocal(&value))
			die(which);
		return value;
	};
	Local<Value> util = load("util"), performance = load("performance");
	Local<Value> symbols = get(context, util, "privateSymbols"), constants = get(context, util, "constants");
	auto *values = static_cast<double *>(data_of(get(context, performance, "milestones")));
	Local<Value> indices = get(context, performance, "constants");
	Local<Value> info;

	origin_wall = values + get_int(context, indices, "NODE_PERFORMANCE_MILESTONE_TIME_ORIGIN_TIMESTAMP");
	milestones[0] = values + get_int(context, indices, "NODE_PERFORMANCE_MILESTONE_TIME_ORIGIN");
	milestones[1] = values + get_int(context, indices, "NODE_PERFORMANCE_MILESTONE_ENVIRONMENT");
	milestones[2] = values + get_int(context, indices, "NODE_PERFORMANCE_MILESTONE_NODE_START");
	milestones[3] = values + get_int(context, indices, "NODE_PERFORMANCE_MILESTONE_V8_START");
	exit_code_at = get_int(context, constants, "kExitCode");
	has_exit_code_at = get_int(context, constants, "kHasExitCode");
	Local<Value> process = get(context, context->Global(), "process");
	if (!process.As<Object>()->Get(context, get(context, symbols, "exit_info_private_symbol")).ToLocal(&info) ||
	    !info->IsArrayBufferView())
		die("exit_info");
	exit_info = static_cast<int32_t *>(data_of(info));
	entry_promise.Reset(isolate, get(context, symbols, "entry_point_promise_private_symbol").As<Private>());
	main_context.Reset(isolate, context);
}
}

NODE_MODULE_INIT()
{
	Isolate *isolate = context->GetIsolate();

	(void)module;
	loaded_at = clock_ns(CLOCK_MONOTONIC);
	generator = find_generator(isolate);
	if (!generator)
		die("this V8's generator of random numbers was not found");
	find_internals(context);
	node::SetProcessExitHandler(node::GetCurrentEnvironment(context),
				    [](node::Environment *, int code) { _exit(code); });
	node::AddEnvironmentCleanupHook(isolate, at_cleanup, isolate);
	NODE_SET_METHOD(exports, "turn", turn);
	NODE_SET_METHOD(exports, "collect", collect);
	NODE_SET_METHOD(exports, "wait", wait);
	NODE_SET_METHOD(exports, "begin", begin);
	NODE_SET_METHOD(exports, "kill", kill_process);
	NODE_SET_METHOD(exports, "wake", wake);
	NODE_SET_METHOD(exports, "report", report);
	NODE_SET_METHOD(exports, "next", next);
	NODE_SET_METHOD(exports, "ended", ended);
	NODE_SET_METHOD(exports, "draws", draws);
}
