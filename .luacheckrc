-- LuaJIT is Lua 5.1; what the sandbox takes away is not there to lint against.
std = "luajit"
max_line_length = 120
codes = true
-- obj, ctx, req are given to every handler, used or not
unused_args = false
self = false
files["scripts/moonlet"] = { read_globals = { "lazy" } } -- core/sandbox.lua
exclude_files = { "build*/**", "out/**", "tests/fuzz/corpus/**" }
ignore = { "581" } -- "not (x > y)" is how NaN fails a check
