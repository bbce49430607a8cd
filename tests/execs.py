#!/usr/bin/env python3
"""Sessions as the guest has them, without a server (exec_session.py): what execs_LANGUAGE.py
has. `execs.py python` runs those of one language."""
import sys

import execs_node
import execs_python
import execs_sh
from exec_session import Session

CASES = {"python": execs_python.CASES, "node": execs_node.CASES, "sh": execs_sh.CASES}


def main():
    failed = 0
    for language in sys.argv[1:] or CASES:
        for name, case in CASES[language].items():
            try:
                with Session(language) as session:
                    case(session)
                print(f"ok - execs: {language}: {name}", flush=True)
            except AssertionError as e:
                failed = 1
                print(f"not ok - execs: {language}: {name}\n# " + str(e).replace("\n", "\n# "), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
