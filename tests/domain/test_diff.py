"""The changed lines are those that git's diff says, whatever the files' own text looks like."""

from __future__ import annotations

from domain.diff import changed_lines

DIFF = """\
diff --git a/app/one.py b/app/one.py
index 1..2 100644
--- a/app/one.py
+++ b/app/one.py
@@ -3 +3,2 @@ def f():
-    return 1
+    x = 1
+    return x
@@ -9,2 +11,0 @@
--- a gone
-+++ b/gone
@@ -20,0 +21 @@
++++ b/never.py
\\ No newline at end of file
diff --git a/new.py b/new.py
new file mode 100644
--- /dev/null
+++ b/new.py
@@ -0,0 +1,3 @@
+@@ -1 +1,99 @@
+b
+c
diff --git a/gone.py b/gone.py
--- a/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-a
diff --git a/with space.py b/with space.py
--- a/with space.py\t
+++ b/with space.py\t
@@ -1 +1 @@
-a
+b
diff --git "a/t\\tab\\"q.py" "b/t\\tab\\"q.py"
--- "a/t\\tab\\"q.py"
+++ "b/t\\tab\\"q.py"
@@ -1 +1 @@
-a
+b
diff --git a/picture.png b/picture.png
Binary files a/picture.png and b/picture.png differ
"""


def test_added_and_altered_lines_by_file() -> None:
    assert changed_lines(DIFF) == {
        "app/one.py": {3, 4, 21},
        "new.py": {1, 2, 3},
        "with space.py": {1},
        't\tab"q.py': {1},
    }


def test_no_change_has_no_line() -> None:
    assert changed_lines("") == {}
