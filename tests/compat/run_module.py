"""Runs one module of CPython's tests as its regrtest does, and says on standard
output, a line of JSON each, which test begins, how it ended, and how the module
did. What is not JSON there is the stack of a test that hung or crashed.
Usage: run_module.py MODULE SKIP SECONDS CLASSES: the first SKIP tests and those
of CLASSES (with commas between) are left out, a test that takes more than SECONDS
ends the program."""
import faulthandler
import json
import os
import sys
import traceback
import unittest

CHANNEL = os.dup2(1, 90)
NOISE = "/tmp/noise.txt"
ORDER = ("ok", "skip", "xfail", "xpass", "FAIL", "ERROR")
SHORT = 1500  # characters of a message

module, skip, seconds, classes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(",")


def tell(**what):
    data = (json.dumps(what) + "\n").encode()
    while data:
        data = data[os.write(CHANNEL, data):]


def short(error):
    text = error if isinstance(error, str) else "".join(traceback.format_exception(*error, limit=-6))
    return text if len(text) <= SHORT else "..." + text[-SHORT:]


class Timer:
    """Tests use dump_traceback_later themselves."""
    later, cancel = faulthandler.dump_traceback_later, faulthandler.cancel_dump_traceback_later

    @classmethod
    def arm(cls, seconds=seconds):
        cls.later(seconds, exit=True, file=CHANNEL)


class Result(unittest.TestResult):
    def __init__(self, numbers):
        super().__init__()
        self.numbers, self.current, self.status, self.message = numbers, None, None, ""

    def startTest(self, test):
        super().startTest(test)
        self.current, self.status, self.message = test, None, ""
        tell(begin=test.id(), number=self.numbers.get(id(test), -1))
        Timer.arm()

    def note(self, test, status, message=""):
        if test is not self.current:  # a class or module that could not be set up
            tell(end=test.id(), status=status, message=message)
        elif self.status is None or ORDER.index(status) > ORDER.index(self.status):
            self.status, self.message = status, message

    def stopTest(self, test):
        super().stopTest(test)
        tell(end=test.id(), status=self.status or "none", message=self.message)
        self.current = None
        Timer.arm()

    def addSuccess(self, test):
        self.note(test, "ok")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skip", str(reason))

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.note(test, "FAIL", short(error))

    def addError(self, test, error):
        super().addError(test, error)
        self.note(test, "ERROR", short(error))

    def addExpectedFailure(self, test, error):
        super().addExpectedFailure(test, error)
        self.note(test, "xfail")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test, "xpass")

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.note(test, "FAIL" if issubclass(error[0], test.failureException) else "ERROR", short(error))


class Runner:
    def __init__(self):
        self.count, self.numbers = 0, {}

    def keep(self, suite):
        """Takes the tests out that are not wanted."""
        kept = []
        for test in suite:
            if isinstance(test, unittest.TestSuite):
                self.keep(test)
                kept.append(test)
                continue
            if self.count >= skip and type(test).__name__ not in classes:
                self.numbers[id(test)] = self.count
                kept.append(test)
            self.count += 1
        suite._tests = kept

    def run(self, suite):
        self.keep(suite)
        result = Result(self.numbers)
        suite(result)
        return result


def noise():
    """The end of what the tests printed."""
    with open(NOISE, "rb") as file:
        return file.read()[-SHORT:].decode(errors="replace")


def main():
    silent = os.open(NOISE, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    os.close(silent)
    faulthandler.enable(CHANNEL)
    Timer.arm(seconds * 2)
    from test import support
    from test.libregrtest import cmdline, runtest, setup
    from test.support import os_helper, testresult
    options = cmdline._parse_args(["-v"])
    testresult.get_test_runner = support.get_test_runner = lambda *_, **__: Runner()
    options.timeout, options.verbose = None, False
    setup.setup_tests(options)
    support.verbose = False
    with os_helper.temp_cwd("/tmp/test_python_%d" % os.getpid()):
        try:
            result = runtest._runtest(options, module)
            passed = type(result).__name__
            tell(module=passed, message="" if passed == "Passed" else noise())
        except BaseException:
            tell(module="exception", message=short(sys.exc_info()))
    Timer.cancel()
    os._exit(0)


# Children that multiprocessing spawns import this.
if __name__ == "__main__":
    main()
