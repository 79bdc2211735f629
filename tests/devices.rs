//! Several devices in one session: which buffers live where, how they move, and what a fault on one of them costs. The
//! emulator stands behind the sockets of two device hosts here; `benches/gpu/devices.py` does the same on two GPUs.

use std::path::Path;
use std::sync::RwLock;

use warpbook::session::Session;
use warpbook_device::cuda::Hosted;
use warpbook_diagnostic::Diagnostic;
use warpbook_process::cancel::Cancel;
use warpbook_test_support::notebook::Reader;

/// Killing the device hosts of this process kills those of the other tests too: they wait.
pub static HOSTS: RwLock<()> = RwLock::new(());

struct Notebook {
    session: Session,
    reader: Reader,
    /// Of the last cell's result.
    facts: Option<serde_json::Value>,
}

impl Notebook {
    /// `cuda:0` and `cuda:1` are emulators in processes of their own.
    fn new() -> Self {
        let starter = |name: &str| {
            let program = Path::new(env!("CARGO_BIN_EXE_warpbook"));
            let backend = if matches!(name, "cuda:0" | "cuda:1") { "emu:sm_80" } else { name };
            Ok(Box::new(Hosted::start_behind(name, backend, program)?) as _)
        };
        Self { session: Session::with_starter(Box::new(starter)), reader: Reader::default(), facts: None }
    }

    fn try_run(&mut self, cell: &str) -> Result<String, Diagnostic> {
        self.reader.take();
        let output = self.session.execute(cell, &self.reader, &Cancel::new())?;
        self.facts = output.as_ref().and_then(|output| output.facts.clone());
        Ok(self.reader.take().text + &output.map(|output| output.text).unwrap_or_default())
    }

    fn run(&mut self, cell: &str) -> String {
        self.try_run(cell).unwrap_or_else(|error| panic!("{cell}\n{}", error.to_plain()))
    }

    fn fails(&mut self, cell: &str) -> (String, String) {
        match self.try_run(cell) {
            Ok(text) => panic!("{cell}\n{text}"),
            Err(error) => (error.code.to_owned(), error.to_plain()),
        }
    }
}

/// Adds 1 to each element of `p`; where `wild` is no null pointer, its first word is written besides.
const ADD: &str = ".version 8.0
.target sm_80
.address_size 64
.visible .entry add(.param .u64 p, .param .u64 wild)
{
    .reg .pred %p<2>;
    .reg .b32 %r<4>;
    .reg .f32 %f<3>;
    .reg .b64 %rd<5>;
    ld.param.u64 %rd1, [p];
    ld.param.u64 %rd2, [wild];
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd3, %r1, 4;
    add.u64 %rd1, %rd1, %rd3;
    ld.global.f32 %f1, [%rd1];
    add.f32 %f2, %f1, 0f3F800000;
    st.global.f32 [%rd1], %f2;
    setp.eq.u64 %p1, %rd2, 0;
    @%p1 ret;
    st.global.f32 [%rd2], %f2;
    ret;
}
";

fn add(call: &str) -> String {
    format!("%%ptx add{call} --threads 4\n{ADD}")
}

#[test]
fn buffers_live_on_a_device_and_move_when_asked() {
    let _others = HOSTS.read();
    let mut notebook = Notebook::new();
    assert_eq!(notebook.run("%buf a = arange(4, dtype=f32)\n%device cuda:0").lines().last(), Some("moved along: a"));
    notebook.run("%buf b = ones(4) --device cuda:1\n%buf c = zeros(4) --device emu");
    let list = notebook.run("%bufs");
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    let home = |name: &str| rows.iter().find(|row| row[0] == name).map(|row| row[5]).expect("listed");
    assert_eq!((home("a"), home("b"), home("c")), ("cuda:0", "cuda:1", "emu"), "{list}");
    assert!(list.contains("16 B on cuda:0, ") && list.contains("16 B on cuda:1"), "{list}");
    // Values are read wherever they live, in one expression too.
    assert!(notebook.run("%show a + b + c").contains("1  2  3  4") || notebook.run("%show a + b + c").contains("[1"));
    notebook.run("%check a + b == arange(4) + 1");
    // A launch takes what lives on its device; the error says how to get there.
    let (code, text) = notebook.fails(&add("[1](b, 0)"));
    assert_eq!(code, "elsewhere", "{text}");
    assert!(text.contains("`b` lives on cuda:1, and the launch is on cuda:0"), "{text}");
    assert!(text.contains("`%move b cuda:0` takes it there") && text.contains("--on cuda:1"), "{text}");
    assert!(text.contains("%%ptx add[1](b, 0)") && text.contains('^'), "{text}");
    assert!(notebook.run(&format!("%%ptx add[1](b, 0) --threads 4 --on cuda:1\n{ADD}")).contains(" · cuda:1 "));
    assert!(notebook.run("%device").starts_with("device cuda:0 "), "--on is for one launch");
    notebook.run("%check b == full(4, 2.0)");
    let moved = notebook.run("%move b cuda:0");
    assert_eq!(moved, "moved to cuda:0: b from cuda:1 (16 B)");
    notebook.run("%launch add");
    notebook.run("%check b == full(4, 3.0)\n%check a == arange(4)");
    // With --keep nothing moves; without, what lived on the device before.
    let device = notebook.run("%device cuda:1 --keep");
    assert!(device.contains("\non cuda:0: a, b") && device.contains("\non emu: c"), "{device}");
    assert!(notebook.run("%device emu").ends_with("\non cuda:0: a, b"));
    assert_eq!(notebook.run("%move --all emu"), "moved to emu: a from cuda:0, b from cuda:0 (32 B)");
    assert_eq!(notebook.run("%move c emu"), "nothing moved: already on emu");
    notebook.run("%check b == full(4, 3.0)\n%check a == arange(4)");
}

#[test]
fn wrong_words_are_told_with_what_is_right() {
    let _others = HOSTS.read();
    let mut notebook = Notebook::new();
    notebook.run("%buf a = zeros(4)");
    for (cell, code, words) in [
        ("%move a", "missing-argument", "`%move` needs a device"),
        ("%move cuda:1", "usage", "`%move a b cuda:1`"),
        ("%move b cuda:1", "unknown-buffer", "`%bufs` lists the buffers"),
        ("%move a cuda:x", "unknown-device", "there is no device `cuda:x`"),
        ("%move a --al cuda:1", "unknown-option", "`--all`"),
        ("%device cuda:0 --kep", "unknown-option", "`--keep`"),
        ("%device --keep", "usage", "`%device cuda:1 --keep`"),
        ("%device cuda:7", "no-gpu", "cuda"),
        ("%buf b = zeros(4) --device gpu", "unknown-device", "there is no device `gpu`"),
        ("%buf b = zeros(4) --device", "missing-value", "`--device` needs a value: a device, such as emu"),
        ("%config snapshot 3", "unknown-setting", "did you mean `snapshots`?"),
        ("%config snapshots much", "setting-value", "8 GiB"),
        ("%launch add --on cuda:9", "unknown-kernel", "there is no kernel"),
    ] {
        let (found, text) = notebook.fails(cell);
        assert_eq!(found, code, "{cell}\n{text}");
        assert!(text.contains(words), "{cell}\n{text}");
    }
    assert!(notebook.run("%bufs").contains("on emu:sm_80"), "nothing moved");
}

#[test]
fn a_fault_on_one_device_leaves_the_others_alone() {
    let _others = HOSTS.read();
    let mut notebook = Notebook::new();
    notebook.run("%device cuda:0\n%buf a = randn(64, seed=1)\n%buf b = randn(64, seed=2)");
    notebook.run("%buf far = randn(64, seed=3) --device cuda:1\n%buf here = randn(64, seed=4) --device emu");
    notebook.run(&add("[1](a, b)"));
    notebook.run("%buf keep_a = a.to(f32) --device emu\n%buf keep_b = b.to(f32) --device emu");
    // `b` is spoilt by the launch that faults, and `a` in part.
    let before = notebook.run("%bufs");
    let (code, text) = notebook.fails(&add("[1](a, 4096)"));
    assert_eq!(code, "out-of-bounds", "{text}");
    assert!(text.contains("cuda:0 was started again, and every buffer has the value"), "{text}");
    assert!(text.contains("buffers on other devices were not touched"), "{text}");
    notebook.run("%check a == keep_a, rtol=0, atol=0\n%check b == keep_b, rtol=0, atol=0");
    notebook.run("%check far == randn(64, seed=3)\n%check here == randn(64, seed=4)");
    let address = |list: &str, name: &str| {
        let row = list.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        row.unwrap_or_else(|| panic!("{list}"))
    };
    assert_eq!(address(&before, "far "), address(&notebook.run("%bufs"), "far "), "it stayed where it was");
    // A fault of a launch with --on costs that device, not the current one.
    let (_, text) = notebook.fails(&format!("%%ptx add[1](far, 4096) --threads 4 --on cuda:1\n{ADD}"));
    assert!(text.contains("cuda:1 was started again"), "{text}");
    notebook.run("%check far == randn(64, seed=3)\n%check a == keep_a, rtol=0, atol=0");
    notebook.run("%launch add[1](a, b)");
}

#[test]
fn several_devices_are_compared_from_buffers_that_live_apart() {
    let _others = HOSTS.read();
    let mut notebook = Notebook::new();
    notebook.run("%device cuda:0\n%buf a = randn(8, seed=1)\n%buf b = zeros(8)");
    notebook.run(&add("[1](a, b)"));
    notebook.run("%move b cuda:1");
    let text = notebook.run("%compare add --devices cuda:0,cuda:1,emu");
    assert!(text.contains("bit-identical on every device"), "{text}");
    assert!(text.contains("cuda:0, cuda:1") && text.contains("cuda:0, emu:sm_80"), "{text}");
    assert!(notebook.run("%device").contains("\non cuda:1: b"), "the buffers are where they were");
    notebook.run("%check a == randn(8, seed=1) + (arange(8) < 4)");
    // A device that faults under %compare gives back what lived on it.
    let (_, text) = notebook.fails("%compare add[1](a, 4096) --devices cuda:1,emu");
    assert!(text.contains("on cuda:1") && text.contains("cuda:1 was started again"), "{text}");
    notebook.run("%check a == randn(8, seed=1) + (arange(8) < 4)\n%check b[1:] == zeros(7)");
}

/// The process of a device host that this process started, by what it owns, is killed.
fn kill_hosts() {
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc").expect("proc").flatten() {
        let folder = entry.path();
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let parent = read("stat").rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1).map(str::to_owned));
        if parent.as_deref() == Some(&own) && read("cmdline").contains("device-host") {
            let process = folder.file_name().and_then(|name| name.to_str()).expect("a number").to_owned();
            assert!(std::process::Command::new("kill").args(["-9", &process]).status().expect("kill").success());
            // The signal may take a moment; what is left then waits for us to ask after it.
            while read("stat")
                .rsplit(')')
                .next()
                .is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
            {
                std::thread::yield_now();
            }
        }
    }
}

/// Each version of a kernel is timed as often as the other, and the buffers keep what they hold.
#[test]
fn two_versions_are_timed_by_turns() {
    let _others = HOSTS.read();
    let mut notebook = Notebook::new();
    notebook.run("%device cuda:0\n%target sm_80\n%buf a = arange(4, dtype=f32)");
    notebook.run(&add("[1](a, 0)"));
    notebook.run(&add("[1](a, 0)").replace("0f3F800000", "0f40000000"));
    let text = notebook.run("%diff add@1 add@2");
    assert!(text.contains("\nlatency"), "{text}");
    assert!(text.contains("timed by turns in 20 rounds: the ratio of the medians is "), "{text}");
    let latency = &notebook.facts.as_ref().expect("facts")["latency"];
    let samples: Vec<u64> = latency["samples"].as_array().expect("two").iter().filter_map(|n| n.as_u64()).collect();
    assert!(samples.len() == 2 && samples.iter().all(|count| *count >= 20 && count % 20 == 0), "{samples:?}");
    notebook.run("%check a == arange(4) + 3");
}

#[test]
fn what_no_copy_was_kept_of_is_made_again_or_named() {
    let _alone = HOSTS.write();
    let mut notebook = Notebook::new();
    notebook
        .run("%device cuda:0\n%let N = 4096\n%buf small = ones(4)\n%buf input = randn(N, seed=5)\n%buf out = zeros(N)");
    assert_eq!(notebook.run("%config snapshots 1 KiB"), "snapshots = 1 KiB");
    let shown = notebook.run(&add("[1](out, 0)"));
    assert!(shown.contains("out  f32 [4096]  changed (too large to keep a copy of)"), "{shown}");
    notebook.run("%launch add[1](out, 0)\n%launch add[1](small, 0)\n%let N = 8");
    // `out` was written by two launches, `input` by none; the scalars have other values now.
    let (_, text) = notebook.fails(&add("[1](out, 4096)"));
    assert!(text.contains("made again, the same to the bit"), "{text}");
    assert!(text.contains("input (randn(N, seed=5))") && text.contains("out (`add` v1 launched again)"), "{text}");
    notebook
        .run("%check input == randn(4096, seed=5)\n%check out == 2 * (arange(4096) < 4)\n%check small == full(4, 2.0)");
    // The same when the processes die between two cells.
    notebook.run("%buf far = randn(N, seed=6) --device cuda:1");
    kill_hosts();
    let text = notebook.run("%check input == randn(4096, seed=5)");
    assert!(
        text.contains("the process that owned cuda:1 had died; it was started again, and every buffer restored"),
        "{text}"
    );
    notebook.run("%check far == randn(8, seed=6)\n%free far");
    assert!(text.contains("the process that owned cuda:0 had died") && text.contains("made again"), "{text}");
    notebook.run("%check out == 2 * (arange(4096) < 4)\n%check small == full(4, 2.0)");
    // What a kernel wrote that was not given it cannot be made again: it is named, and nothing else is lost.
    notebook.run("%let address = input.data_ptr()");
    let shown = notebook.run("%launch add[1](small, address)");
    assert!(shown.contains("input  f32 [4096]  changed"), "{shown}");
    let (_, text) = notebook.fails("%launch add[1](out, 4096)");
    assert!(
        text.contains("their values are lost: input (`add` v1 wrote it without having it as an argument)"),
        "{text}"
    );
    assert!(text.contains("made again, the same to the bit: out (`add` v1 launched again);"), "{text}");
    assert!(text.contains("every other buffer has the value"), "{text}");
    notebook.run("%check out == 2 * (arange(4096) < 4)\n%check small == full(4, 3.0)");
}
