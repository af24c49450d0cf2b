package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"moonlet.dev/e2e/harness"
)

// A page of the documentation says, in HTML comments, what is to be done with its code blocks:
//
//	<!-- run -->          the next block is a shell script
//	<!-- background -->   the next block starts moonlet, which runs until <!-- stop --> or the end
//	<!-- file: PATH -->   the next block is this file
//	<!-- same: PATH -->   the next block is what this file says already
//	<!-- edit: PATH -->   the next block is a diff of this file
//	<!-- expect: TEXT --> the script above says this (sooner or later: it is run again)
//	<!-- fails: TEXT -->  the script above fails and says this
//	<!-- log: TEXT -->    moonlet says this, after the last thing that was done
//
// A block without a comment above it is only shown. In a list, comment and block are indented alike.
func TestTutorial(t *testing.T) { runPage(t, "docs/tutorial/first-controller.md") }

func TestReadme(t *testing.T) { runPage(t, "README.md") }

func TestHowToWebhooks(t *testing.T) {
	for _, page := range []string{"validate-with-a-webhook", "inject-a-sidecar", "hold-a-pod-until-ready",
		"serve-several-versions", "webhook-certificates", "debug-a-webhook"} {
		t.Run(page, func(t *testing.T) { runPage(t, "docs/how-to/"+page+".md") })
	}
}

var directive = regexp.MustCompile(`^( *)<!-- ([a-z]+)(?:: (.*))? -->$`)

type step struct {
	line       int
	verb, text string
	block      string
	expected   []string
	failure    string // "" = must succeed
}

// steps takes a page apart. What must be said belongs to the script above it.
func steps(t *testing.T, page string) []step {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(harness.Root(), page))
	if err != nil {
		t.Fatal(err)
	}
	var found []step
	lines := strings.Split(string(raw), "\n")
	for i := 0; i < len(lines); i++ {
		match := directive.FindStringSubmatch(lines[i])
		if match == nil {
			continue
		}
		indent := match[1]
		one := step{line: i + 1, verb: match[2], text: match[3]}
		switch one.verb {
		case "expect", "fails":
			last := len(found) - 1
			if last < 0 || found[last].verb != "run" {
				t.Fatalf("%s:%d: %s, but no script stands above", page, i+1, one.verb)
			}
			if one.verb == "fails" {
				found[last].failure = one.text
			} else {
				found[last].expected = append(found[last].expected, one.text)
			}
			continue
		case "run", "background", "file", "same", "edit":
			i += 2
			if i > len(lines) || !strings.HasPrefix(lines[i-1], indent+"```") {
				t.Fatalf("%s:%d: no code block follows", page, one.line)
			}
			for ; i < len(lines) && lines[i] != indent+"```"; i++ {
				one.block += strings.TrimPrefix(lines[i], indent) + "\n"
			}
		case "log", "stop":
		default:
			t.Fatalf("%s:%d: unknown comment %q", page, i+1, one.verb)
		}
		found = append(found, one)
	}
	if len(found) == 0 {
		t.Fatalf("%s: nothing to run", page)
	}
	return found
}

type reader struct {
	*harness.Env
	dir  string
	env  []string
	host *exec.Cmd
	log  *os.File
	seen int64 // of the log, before the last thing that was done
}

func runPage(t *testing.T, page string) {
	env := harness.New(t)
	todo := steps(t, page)
	unregister(env)
	bin := t.TempDir()
	if err := os.Symlink(harness.Binary(), filepath.Join(bin, "moonlet")); err != nil {
		t.Fatal(err)
	}
	programs, err := exec.Command(filepath.Join(harness.Root(), "tests", "plane", "plane"), "bin").Output()
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{Env: env, dir: t.TempDir()}
	r.env = append(os.Environ(),
		"PATH="+bin+":"+strings.TrimSpace(string(programs))+":"+os.Getenv("PATH"),
		"KUBECONFIG="+env.Kubeconfig(harness.Connection{}))
	t.Cleanup(r.stop)
	for _, one := range todo {
		if why := r.do(one); why != nil {
			t.Fatalf("%s:%d: %s: %v\nmoonlet said:\n%s", page, one.line, one.verb, why, r.said(0))
		}
	}
}

func (r *reader) do(one step) error {
	switch one.verb {
	case "run":
		r.mark()
		return r.script(one)
	case "background":
		return r.start(one.block)
	case "stop":
		r.stop()
		return nil
	case "log":
		return until(func() error {
			if said := r.said(r.seen); !strings.Contains(said, one.text) {
				return fmt.Errorf("%q is not in\n%s", one.text, said)
			}
			return nil
		})
	}
	path := filepath.Join(r.dir, one.text)
	old, _ := os.ReadFile(path)
	switch one.verb {
	case "same":
		if string(old) != one.block {
			return fmt.Errorf("%s is something else:\n%s", one.text, old)
		}
		return nil
	case "edit":
		changed, err := patched(string(old), one.block)
		if err != nil {
			return err
		}
		one.block = changed
	}
	r.mark()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(one.block), 0o644)
}

func (r *reader) script(one step) error {
	return until(func() error {
		cmd := exec.Command("bash", "-euc", one.block)
		cmd.Dir, cmd.Env = r.dir, r.env
		out, err := cmd.CombinedOutput()
		if one.failure != "" {
			if err == nil || !bytes.Contains(out, []byte(one.failure)) {
				return fmt.Errorf("should fail and say %q (%v), says\n%s", one.failure, err, out)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		for _, text := range one.expected {
			if !bytes.Contains(out, []byte(text)) {
				return fmt.Errorf("should say %q, says\n%s", text, out)
			}
		}
		return nil
	}, one.failure == "" && len(one.expected) == 0)
}

func (r *reader) start(script string) error {
	var err error
	if r.log, err = os.Create(filepath.Join(r.T.TempDir(), "log")); err != nil {
		return err
	}
	r.seen = 0
	r.host = exec.Command("bash", "-euc", "exec "+script)
	r.host.Dir, r.host.Env = r.dir, r.env
	r.host.Stdout, r.host.Stderr = r.log, r.log
	r.host.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return r.host.Start()
}

func (r *reader) stop() {
	if r.host == nil {
		return
	}
	_ = r.host.Process.Signal(syscall.SIGTERM)
	if err := r.host.Wait(); err != nil {
		r.T.Errorf("moonlet ended: %v", err)
	}
	r.host = nil
}

func (r *reader) mark() {
	if r.log != nil {
		if info, err := r.log.Stat(); err == nil {
			r.seen = info.Size()
		}
	}
}

func (r *reader) said(from int64) string {
	if r.log == nil {
		return ""
	}
	text, _ := os.ReadFile(r.log.Name())
	return string(text[min(from, int64(len(text))):])
}

// patched replaces the lines of a diff that begin with a blank or a minus by those that begin with
// a blank or a plus; they must stand in the text exactly once.
func patched(text, diff string) (string, error) {
	var before, after string
	for line := range strings.Lines(diff) {
		switch line[0] {
		case '-':
			before += line[1:]
		case '+':
			after += line[1:]
		case '\n':
			before, after = before+line, after+line
		default:
			before, after = before+line[1:], after+line[1:]
		}
	}
	if n := strings.Count(text, before); n != 1 {
		return "", fmt.Errorf("these lines stand %d times in the file:\n%s", n, before)
	}
	return strings.Replace(text, before, after, 1), nil
}

// until tries for a while, or once.
func until(cond func() error, once ...bool) error {
	end := time.Now().Add(harness.Patience)
	for {
		err := cond()
		if err == nil || time.Now().After(end) || (len(once) > 0 && once[0]) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
