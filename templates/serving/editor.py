import json, os, subprocess, sys
asked = json.loads(sys.argv[1])
if "wrong" in asked:
    print(asked["wrong"])
    sys.exit()
path, command = asked["path"], asked["command"]
def listed(rows, first):
    return "\n".join("%6d\t%s" % (first + n, row) for n, row in enumerate(rows))
def read():
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
def write(text):
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
def rows(text):
    return (text[:-1] if text.endswith("\n") else text).split("\n") if text else []
def shown(text, first, last):
    count = len(rows(text))
    return "Here are lines %d to %d of %s, which has %d:\n%s" % (
        first, last, path, count, listed(rows(text)[first - 1:last], first))
def put(text, line, count):
    write(text)
    last = min(len(rows(text)), line + count + 3)
    return "The file %s has been edited. %s" % (path, shown(text, max(1, line - 4), last))
def view():
    if os.path.isdir(path):
        find = ["find", "-H", path, "-mindepth", "1", "-maxdepth", "2", "-name", ".*", "-prune", "-o", "-mindepth", "1", "-print"]
        found = subprocess.run(find, stdout=subprocess.PIPE).stdout.decode(errors="replace").splitlines()
        return "\n".join(["Files and directories in %s, two levels deep, without hidden ones:" % path] + sorted(found))
    text = read()
    count = len(rows(text))
    first, last = asked.get("view_range") or (1, -1)
    last = count if last == -1 else last
    if not count:
        return "The file %s is empty." % path
    if not 1 <= first <= last <= count:
        return "Invalid `view_range` %s: %s has lines 1 to %d." % (asked.get("view_range"), path, count)
    return shown(text, first, last)
def create():
    if os.path.exists(path):
        return "The file %s exists already; `create` does not overwrite. Use `str_replace` to change it." % path
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    write(asked["file_text"])
    return "The file %s has been created." % path
def replace(old, new):
    text = read()
    starts = [text[:at].count("\n") + 1 for at in range(len(text)) if old and text.startswith(old, at)]
    if not starts:
        return "No replacement was performed: old_str does not appear verbatim in %s." % path
    if len(starts) > 1:
        return "No replacement was performed: old_str appears in lines %s of %s. Make it unique." % (starts, path)
    if old == new:
        return "No replacement was performed: new_str is the same as old_str."
    return put(text.replace(old, new), starts[0], new.count("\n") + 1)
def insert():
    text, line = read(), asked["insert_line"]
    if not 0 <= line <= len(rows(text)):
        return "Invalid `insert_line` %d: %s has %d lines, so 0 to %d work." % (line, path, len(rows(text)), len(rows(text)))
    new = asked["new_str"]
    new = (new[:-1] if new.endswith("\n") else new).split("\n")
    parts = text.split("\n")
    return put("\n".join(parts[:line] + new + parts[line:]), line + 1, len(new))
def undo():
    last = asked.get("last")
    if not last:
        return "There is no edit of %s to undo." % path
    if last["command"] == "create":
        os.remove(path)
    elif last["command"] == "insert":
        parts, line = read().split("\n"), last["insert_line"]
        new = last["new_str"][:-1] if last["new_str"].endswith("\n") else last["new_str"]
        write("\n".join(parts[:line] + parts[line + new.count("\n") + 1:]))
    else:
        said = replace(last.get("new_str", ""), last["old_str"])
        if said.startswith("No"):
            return "The last edit of %s cannot be undone: what it put there has changed." % path
    return "The last edit of %s has been undone." % path
try:
    print({"view": view, "create": create, "insert": insert, "undo_edit": undo,
           "str_replace": lambda: replace(asked["old_str"], asked.get("new_str", ""))}[command]())
except FileNotFoundError:
    print("The path %s does not exist." % path)
except IsADirectoryError:
    print("The path %s is a directory; only `view` works on directories." % path)
