# A repository, commits, branches, a merge, a clone, fetches and pushes.
set -eu
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1 HOME=/tmp
cd /tmp
git init -q -b main one
cd one
echo first >file
mkdir dir
seq 1 2000 >dir/numbers
git add .
git commit -q -m 'first commit'
git status --short
echo second >>file
git diff
git commit -qam second
git log --oneline --stat
git checkout -q -b other HEAD~1
sed -i 's/^1000$/changed/' dir/numbers
git commit -qam 'on a branch'
git checkout -q main
git merge -q other -m merged
git log --graph --format='%h %s'
git tag -a v1 -m 'a tag'
cd ..
git clone -q one two
cd two
git log -1 --format=%H
git branch -a
echo pushed >new
git add new
git commit -qm 'to push'
git push -q origin HEAD:refs/heads/pushed
cd ../one
git branch
git merge --ff-only -q pushed
ls
git gc -q
git fsck
git count-objects
printf '#!/bin/sh\necho the hook; exit 1\n' >.git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
git commit -q --allow-empty -m no 2>&1 || echo refused
git rev-list --all --count
git archive HEAD | tar -t
git stash -q 2>&1 || true
echo changed >file
git stash -q
cat file
git stash pop -q
cat file
git blame -s dir/numbers | sed -n '999,1001p'
git bundle create -q ../bundle --all
git clone -q ../bundle ../three -b main
git -C ../three log -1 --format=%s
