#include <string.h>

#include "bindings/library.h"
#include "bindings/match.h"
#include "support/harness.h"

/* Our matcher against the library's own, on random patterns and on chosen ones; and its budget. */

static const char *const differential =
    "local own, theirs = ...\n"
    "local seed = 42\n"
    "local function random(n) seed = (seed * 16807) % 2147483647 return seed % n + 1 end\n"
    "local atoms = {'a','b','ab','.','%a','%d','%s','%w','%x','%p','%A','%D','%u','%l','%c','%z',\n"
    "  "
    "'[ab]','[^a]','[a-c]','[%d_]','[^%s]','[]]','[^]]','[a-]','%.','%%','(','(a)','()',')','%1',\n"
    "  "
    "'%2','%b()','%bab','%f[%w]','%f[a]','^','$','*','-','?','+','[','%','%b','%f','\\0','(.-)',\n"
    "  '(%w+)','1','_','x','%g','[%','[a','%9','%0'}\n"
    "local letters = {'a','b','c','1','_',' "
    "','(',')','A','\\n','\\0','.','x','%',']','-','\\200'}\n"
    "local function pattern()\n"
    "  local t = {}\n"
    "  for i = 1, random(6) do\n"
    "    t[#t + 1] = atoms[random(#atoms)]\n"
    "    if random(3) == 1 then t[#t + 1] = ({'*','+','-','?'})[random(4)] end\n"
    "  end\n"
    "  return table.concat(t)\n"
    "end\n"
    "local function subject()\n"
    "  local t = {}\n"
    "  for i = 1, random(14) - 1 do t[i] = letters[random(#letters)] end\n"
    "  return table.concat(t)\n"
    "end\n"
    "local function pack(...) return { n = select('#', ...), ... } end\n"
    "local function show(r)\n"
    "  local t = {}\n"
    "  for i = 1, r.n do t[i] = string.format('%q', tostring(r[i])) end\n"
    "  return table.concat(t, ' ')\n"
    "end\n"
    "local function all(lib, s, p)\n"
    "  local t = {}\n"
    "  for a, b, c in lib.gmatch(s, p) do\n"
    "    t[#t + 1] = tostring(a) .. '|' .. tostring(b) .. '|' .. tostring(c)\n"
    "  end\n"
    "  return table.concat(t, ',')\n"
    "end\n"
    "local function clean(r)\n" /* the messages: without the position and argument */
    "  if not r[1] then r[2] = tostring(r[2]):gsub('^[^:]*:%d+: ', '') end\n"
    "  return show(r)\n"
    "end\n"
    "local templates = {'<%0>', '%1', '%%', 'x', '%2%1', '%9'}\n"
    "local function check(s, p)\n"
    "  local init, template, n = random(12) - 4, templates[random(#templates)], random(4)\n"
    "  local calls = {\n"
    "    function(l) return l.find(s, p) end,\n"
    "    function(l) return l.find(s, p, init) end,\n"
    "    function(l) return l.find(s, p, init, true) end,\n"
    "    function(l) return l.match(s, p, init) end,\n"
    "    function(l) return all(l, s, p) end,\n"
    "    function(l) return l.gsub(s, p, template) end,\n"
    "    function(l) return l.gsub(s, p, template, n) end,\n"
    "    function(l) return l.gsub(s, p, function(a, b) return b or a end) end,\n"
    "    function(l) return l.gsub(s, p, { a = 'A', b = 2, c = false }) end,\n"
    "  }\n"
    "  for i, call in ipairs(calls) do\n"
    "    local a, b = clean(pack(pcall(call, own))), clean(pack(pcall(call, theirs)))\n"
    "    if a ~= b then\n"
    "      error(string.format('call %d: subject %q pattern %q init %d template %s: %s, not %s', "
    "i, s, p,\n"
    "        init, template, a, b), 0)\n"
    "    end\n"
    "  end\n"
    "end\n"
    "for _, c in ipairs {\n"
    "  {'key = value', '^(%w+)%s*=%s*(%w+)$'}, {'  trim  ', '^%s*(.-)%s*$'}, {'', ''}, {'', "
    "'.*'},\n"
    "  {'a.b.c', '[^.]+'}, {'THE (quick) fox', '%((%a+)%)'}, {'hello', 'l+'}, {'f(a(b)c)d', "
    "'%b()'},\n"
    "  {'THE (quick) fox', '%f[%a]%a+%f[%A]'}, {'abab', '(ab)%1'}, {'x^y', 'x^y'}, {'a$b', "
    "'a$b'},\n"
    "  {'a\\0b', 'a%zb'}, {'a\\0b', '[^\\0]+'}, {'0123', '[0-9]-3'}, {'a-b', '[a%-]+'}, {'^', "
    "'[%^]'},\n"
    "  {('a'):rep(300), ('a?'):rep(250)}, {('('):rep(300), '%('}, {'x', ('(x'):rep(33)}, {'é', "
    "'.'},\n"
    "} do check(c[1], c[2]) end\n"
    "for i = 1, 40000 do check(subject(), pattern()) end\n";

static void patterns_match_as_the_library_does(void **state) {
    (void)state;
    struct error err;
    struct watchdog *watchdog = watchdog_create(&err);
    struct isolate *isolate = isolate_create(watchdog, 64 << 20, 600 * NS_PER_S, NULL, &err);
    lua_State *L = isolate->L;
    if (luaL_loadstring(L, differential) != 0)
        fail_msg("%s", lua_tostring(L, -1));
    lua_newtable(L);
    luaL_setfuncs(L, strings_functions, 0);
    lua_getglobal(L, "string");
    if (lua_pcall(L, 2, 0, 0) != 0)
        fail_msg("%s", lua_tostring(L, -1));
    isolate_destroy(isolate);
    watchdog_destroy(watchdog);
}

static bool at_once(void *context) {
    ++*(int *)context;
    return true;
}

static void match_gives_up_after_its_steps(void **state) {
    (void)state;
    char text[2000], pattern[] = "a-a-a-a-a-a-a-a-b";
    struct match m;
    memset(text, 'a', sizeof text);
    match_init(&m, text, sizeof text, pattern, strlen(pattern));
    m.steps = 100000;
    assert_null(match_here(&m, text, pattern));
    assert_string_equal(m.problem, "pattern needs too many steps on this text");
    int asked = 0;
    match_init(&m, text, sizeof text, pattern, strlen(pattern));
    m.interrupted = at_once;
    m.context = &asked;
    assert_null(match_here(&m, text, pattern));
    assert_string_equal(m.problem, "stopped inside a pattern");
    assert_int_equal(asked, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_the_library_does),
        cmocka_unit_test(match_gives_up_after_its_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
