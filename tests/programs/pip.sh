# A wheel is made, installed and used, in a virtual environment as well.
set -eu
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INDEX=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore HOME=/tmp
mkdir -p /tmp/package/own
cd /tmp/package
echo 'def main(): print("the program of a package", __name__)' >own/__init__.py
cat >setup.py <<'PY'
from setuptools import setup
setup(name="own-package", version="1.2", packages=["own"], entry_points={"console_scripts": ["own-program=own:main"]})
PY
python3 setup.py -q bdist_wheel 2>/dev/null
ls dist
python3 -m pip install -q --break-system-packages --target /tmp/installed dist/*.whl
ls /tmp/installed
PYTHONPATH=/tmp/installed python3 -c 'import own; own.main()'
PYTHONPATH=/tmp/installed /tmp/installed/bin/own-program
python3 -m pip install --break-system-packages --prefix /tmp/prefix dist/*.whl | tail -1
PYTHONPATH=/tmp/installed python3 -m pip show own-package | sed -n 1,2p
python3 -m pip install --break-system-packages nothing-of-this-name 2>&1 | tail -1
python3 -m venv --without-pip /tmp/environment
/tmp/environment/bin/python -c 'import sys; print(sys.prefix, sys.base_prefix)'
python3 -m pip --python /tmp/environment/bin/python install -q dist/*.whl
/tmp/environment/bin/own-program
