use super::*;

/// Each thread adds half its number, four times.
const SUM: &str = ".version 8.4
.target sm_80
.address_size 64
.visible .entry sum(.param .u64 x)
.reqntid 64
{
.reg .pred %p<2>;
.reg .b32 %r<4>;
.reg .f32 %f<3>;
.reg .b64 %rd<4>;
ld.param.u64 %rd1, [x];
mov.u32 %r1, %tid.x;
cvt.rn.f32.u32 %f1, %r1;
mov.f32 %f2, 0f00000000;
mov.u32 %r2, 0;
loop:
fma.rn.f32 %f2, %f1, 0f3F000000, %f2;
add.u32 %r2, %r2, 1;
setp.lt.u32 %p1, %r2, 4;
@%p1 bra loop;
mul.wide.u32 %rd2, %r1, 4;
add.s64 %rd3, %rd1, %rd2;
st.global.f32 [%rd3], %f2;
ret;
}
";

/// A session that needs no compiler, with the sums launched.
fn sums() -> Session {
    let mut session = Session::new();
    run(&mut session, "%target sm_80\n%buf x = zeros(64)");
    run(&mut session, &format!("%%ptx sum[1](x)\n{SUM}"));
    session
}

#[test]
fn a_register_has_a_history() {
    let mut session = sums();
    let output = run(&mut session, "%watch sum %f2 --line 17 --warp 1");
    let watched = &output.facts.as_ref().expect("facts")["watched"][0];
    assert_eq!((&watched["what"], &watched["type"]), (&"%f2".into(), &"f32".into()));
    let times = watched["times"].as_array().expect("times");
    assert_eq!(times.len(), 4);
    for (number, time) in times.iter().enumerate() {
        assert_eq!((&time["warp"], &time["time"], &time["active"]), (&1.into(), &number.into(), &u32::MAX.into()));
        // After the instruction: so many halves of the thread's number.
        let expected: Vec<f64> = (32..64).map(|thread| f64::from(thread) * 0.5 * (number + 1) as f64).collect();
        assert_eq!(time["values"], serde_json::json!(expected));
    }
    assert!(output.text.contains("%f2  f32 · after it · 4 times\n  0  16 16.5 17 17.5 18 18.5 …"), "{}", output.text);
    // What the instruction only reads is told as it finds it; integers that grow evenly are a rule.
    let text = run(&mut session, "%watch sum %r1 %r2 --line 18 --warp all").text;
    assert!(text.contains("%r1  u32 · before it · 8 times\n  warp 0 · 0  lane\n"), "{text}");
    assert!(
        text.contains("warp 1 · 0  32 + lane") && text.contains("%r2  u32 · after it · 8 times\n  warp 0 · 0  1\n"),
        "{text}"
    );
    let text = run(&mut session, "%watch %p1 --lane 0,5-6 --line 19").text;
    assert!(text.contains("%p1  pred · after it · 4 times\n  0  true\n  1  true\n  2  true\n  3  false"), "{text}");
    let text = run(&mut session, "%watch sum %f2 --as hex --line 23").text;
    assert!(text.contains("%f2  b32 · before it · once\n  0  0x00000000 0x40000000 "), "{text}");
    // Memory, as the instruction finds it.
    let text = run(&mut session, "%watch x[33] x[1] --line 24 --warp 1").text;
    assert!(text.contains("x[33]  f32 · before it · once\n  0  66\n"), "{text}");
    assert!(text.contains("x[1]  f32 · before it · once\n  0  2"), "{text}");
    // Without a line: where it is written first.
    assert!(run(&mut session, "%watch %f2").text.contains("PTX 14: mov.f32 %f2"));
    // The buffer keeps what it held.
    run(&mut session, "%buf x = zeros(64)\n%watch sum %f2 --line 17\n%check x == zeros(64)");
}

#[test]
fn what_cannot_be_watched_is_told() {
    let mut session = sums();
    let error = fails(&mut session, "%watch sum %f9 --line 17");
    assert_eq!((error.code, error.labels[0].span.clone()), ("unknown-register", 11..14));
    assert!(error.help.iter().any(|help| help.contains("did you mean `%f")), "{:?}", error.help);
    let error = fails(&mut session, "%watch sum %f2 --line 16");
    assert_eq!((error.code, error.help.as_slice()), ("no-instruction", &["the nearest is on line 15".to_owned()][..]));
    let error = fails(&mut session, "%watch sum %rd3 --line 17");
    assert_eq!(
        (error.code, error.notes.as_slice()),
        ("register-dead", &["it lives from line 22 to line 23 of the PTX".to_owned()][..])
    );
    assert_eq!(fails(&mut session, "%watch sum %f2 --line 17 --warp 2").code, "no-such-warp");
    assert_eq!(fails(&mut session, "%watch sum %f2 --line 17 --block 1").code, "no-such-block");
    assert_eq!(fails(&mut session, "%watch sum %f2 --line 17 --lane 32").code, "option-value");
    assert_eq!(fails(&mut session, "%watch sum %f2 --as f33").code, "option-value");
    assert_eq!(fails(&mut session, "%watch sum").code, "missing-argument");
    assert_eq!(fails(&mut session, "%watch sum x[0]").code, "missing-option");
    assert_eq!(fails(&mut session, "%watch sum x[64] --line 17").code, "view");
    assert_eq!(fails(&mut session, "%watch sum y[0] --line 17").code, "unknown-buffer");
    assert_eq!(fails(&mut session, "%watch sum shared[zero] --line 17").code, "bad-address");
    // No shared memory is there.
    assert!(run(&mut session, "%watch sum shared[0x10] --line 17").text.contains("outside the memory"));
}

/// A variable of the Python, and values of the TTGIR: the registers that hold them.
#[test]
fn a_value_is_held_by_registers() {
    let mut session = session();
    let output = run(&mut session, "%watch matmul sum");
    // 64×64 elements over 128 threads, in pairs of columns of `mma.sync`: all in registers of their own.
    assert!(
        output.text.contains("64×64×f32") && output.text.contains("32 of 32 registers per lane found"),
        "{}",
        output.text
    );
    let facts = output.facts.as_ref().expect("facts");
    let registers = facts["registers"].as_array().expect("registers");
    let names: std::collections::BTreeSet<&str> = registers.iter().filter_map(|one| one["ptx"].as_str()).collect();
    assert_eq!((names.len(), facts["missing"].as_array().map(Vec::len)), (32, Some(0)), "{}", output.text);
    // What `%watch` says of such a register is what the buffer holds: lane 0 of warp 0 has the element [0,0] first.
    let first = &registers[0];
    let (name, line) = (first["ptx"].as_str().expect("a name"), first["line"].as_u64().expect("a line"));
    let register = run(&mut session, &format!("%watch matmul {name} --line {line} --as f32"));
    let times = register.facts.expect("facts")["watched"][0]["times"].as_array().cloned().expect("times");
    let shown = run(&mut session, "%show c[0, 0]").text;
    let stored: f64 = shown.lines().last().and_then(|line| line.trim().parse().ok()).expect("a number");
    let last = times.last().expect("a time")["values"][0].as_f64().expect("a number");
    assert!((last - stored).abs() < 1e-6, "{last} {shown}");
    // By its name in the TTGIR, and another warp.
    let named = run(&mut session, "%watch sum --warp 3").text;
    assert!(named.contains("warp 3") && named.contains("32 of 32 registers"), "{named}");
    let list = run(&mut session, "%layout matmul").text;
    let load = list.lines().filter(|line| line.contains("#ttg.dot_op")).find_map(|line| line.split_whitespace().next());
    let load = load.expect("an operand").to_owned();
    let operand = run(&mut session, &format!("%watch matmul {load}")).text;
    assert!(operand.contains("f16") && operand.contains("half)") && operand.contains("0 "), "{operand}");
    // In a pipelined loop, of whose lines the TTGIR makes buffers and tokens too: an element in each iteration.
    let header = "%%triton piped[1](a, b, c, 64, 64, BLOCK=16)";
    run(&mut session, &format!("{header}\n{}", MATMUL.replace("def matmul", "def piped")));
    let piped = run(&mut session, "%watch piped sum");
    assert!(piped.text.contains("16×16×f32 #mma") && piped.text.contains("\nsum is %"), "{}", piped.text);
    let first = &piped.facts.as_ref().expect("facts")["registers"][0];
    assert_eq!(first["iterations"], serde_json::json!([0, 1, 2, 3]), "{}", piped.text);
    let pointers = run(&mut session, &format!("{header}\n{}", MATMUL.replace("def matmul", "def moved").replace(
        "    sum = tl.zeros",
        "    at = a_ptr + rows[:, None] * K + k[None, :]\n    tl.store(c_ptr + 4095, tl.sum(tl.load(at)).to(tl.float32))\n    sum = tl.zeros",
    ).replace("piped", "moved")).replace("piped[1]", "moved[1]"));
    assert!(pointers.text.contains("moved v1"), "{}", pointers.text);
    let at = run(&mut session, "%watch moved at").text;
    assert!(at.contains("16×16×!tt.ptr<f16>") && at.contains("0x"), "{at}");
    // What is in no register is refused.
    let error = fails(&mut session, "%watch matmul sun");
    assert_eq!((error.code, error.help.as_slice()), ("unknown-value", &["did you mean `sum`?".to_owned()][..]));
    let alloc =
        list.lines().find(|line| line.contains("-> 64×64×f16 #shared")).and_then(|line| line.split_whitespace().next());
    let error = fails(&mut session, &format!("%watch matmul {}", alloc.expect("a buffer")));
    assert!(error.message.contains("lies in shared memory"), "{error}");
    assert_eq!(fails(&mut session, "%watch matmul sum %r1").code, "option-value");
    assert_eq!(fails(&mut session, "%watch matmul sum --line 3").code, "option-value");
    assert_eq!(fails(&mut session, "%watch matmul sum --warp 9").code, "no-such-warp");
}

#[test]
fn an_element_is_followed_back() {
    let mut session = session();
    let output = run(&mut session, "%trace c[3, 5]");
    insta::assert_snapshot!("trace", output.text);
    let facts = output.facts.as_ref().expect("facts");
    // Exactly a row of A and a column of B.
    let row: Vec<[u64; 2]> = vec![[3 * 64 * 2, 4 * 64 * 2]];
    let column: Vec<[u64; 2]> = (0..64).map(|k| [(k * 64 + 5) * 2, (k * 64 + 6) * 2]).collect();
    assert_eq!(facts["made_of"], serde_json::json!([{"buffer": "a", "bytes": row}, {"buffer": "b", "bytes": column}]));
    // The layout of the store says who stores it, and that of the dot whose accumulator it is: PTX ISA, fragment of C,
    // row 3 is group 3, column 5 the second of the third pair.
    let [store, dot] = [0, 1].map(|index| &facts["layouts"][index]);
    assert_eq!((&store["confirmed"], &store["holders"][0]["lane"]), (&true.into(), &facts["lane"]));
    assert_eq!((&dot["holders"][0]["warp"], &dot["holders"][0]["lane"]), (&0.into(), &14.into()));
    let path = facts["path"].as_array().expect("a path");
    let is_mma =
        |step: &&serde_json::Value| step["opcode"].as_str().is_some_and(|opcode| opcode.starts_with("mma.sync"));
    assert!(path.iter().filter(is_mma).all(|step| (&step["warp"], &step["lane"]) == (&0.into(), &14.into())));
    assert_eq!(path.iter().filter(is_mma).count(), 64 / 16);
    let html = output.html.as_ref().expect("HTML");
    assert!(html.contains("<svg") && html.contains(">tensor cores<") && html.contains("every step"));
    assert!(output.text.lines().count() < 40);
    assert_eq!(run(&mut session, "%trace matmul c[3,5]"), output);

    assert_eq!(fails(&mut session, "%trace a[0,0]").code, "never-written");
    let error = fails(&mut session, "%trace c[3]");
    assert_eq!((error.code, error.help.as_slice()), ("one-element", &["such as `c[3][0]`".to_owned()][..]));
    assert_eq!(fails(&mut session, "%trace c[64,0]").code, "view");
    assert_eq!(fails(&mut session, "%trace matmul").code, "missing-argument");
    assert_eq!(fails(&mut session, "%trace d[0]").code, "unknown-buffer");
    assert_eq!(fails(&mut session, "%trace c[0,0] c[1,1]").code, "unexpected-argument");
}

#[test]
fn a_warp_is_stepped_through() {
    let mut session = sums();
    let output = run(&mut session, "%step sum --warp 1");
    insta::assert_snapshot!("step", output.text);
    let facts = output.facts.as_ref().expect("facts");
    // 5 before the loop, 4 · 4 in it, 4 after it.
    assert_eq!((&facts["total"], facts["steps"].as_array().map(Vec::len)), (&25.into(), Some(25)));
    assert_eq!(facts["steps"][1]["registers"]["%r1"], "32 + lane");
    let html = output.html.as_ref().expect("HTML");
    for expected in ["type=\"range\"", "<script>", "<b>%r1</b> 32 + lane", "<i>writes x[32:64]</i>", "keydown"] {
        assert!(html.contains(expected), "{expected}");
    }
    let from = run(&mut session, "%step --from line:23 --count 1");
    assert!(from.text.contains("instructions 23 to 24 of 25\n"), "{}", from.text);
    assert_eq!(fails(&mut session, "%step sum --from 25").code, "option-value");
    assert_eq!(fails(&mut session, "%step sum --from line:3").code, "no-instruction");
    assert_eq!(fails(&mut session, "%step sum --count 401").code, "option-value");
    assert_eq!(fails(&mut session, "%step sum --warp 2").code, "no-such-warp");
    assert_eq!(fails(&mut session, "%step sum --block 0,1").code, "no-such-block");
    assert_eq!(fails(&mut session, "%step sum now").code, "unexpected-argument");
    assert_eq!(fails(&mut session, "%step summ").help, ["did you mean `sum`?"]);
}

#[test]
fn the_first_difference_is_found() {
    let mut session = sums();
    run(&mut session, "%%patch ptx sum\n0f3F000000 -> 0f3F000001");
    let output = run(&mut session, "%diff sum@1 sum@2 --values");
    insta::assert_snapshot!("first_difference", output.text);
    let first = &output.facts.as_ref().expect("facts")["first"];
    assert_eq!((&first["ptx_lines"], &first["time"]), (&serde_json::json!([17, 17]), &0.into()));
    // 0.5 · 1, and a last bit more.
    assert_eq!(first["bits"], serde_json::json!([0x3f00_0000, 0x3f00_0001]));
    assert_eq!((&first["warp"], &first["lane"]), (&0.into(), &1.into()));
    run(&mut session, "%%patch ptx sum --version 1\nadd.s64 %rd3, %rd1, %rd2; -> add.s64 %rd3, %rd2, %rd1;");
    let same = run(&mut session, "%diff sum@1 sum@3 --values");
    assert!(same.text.ends_with("bit-identical: every buffer (x)"), "{}", same.text);
}

/// The bytes of row `row` of a buffer of f16, and those of column `column`, `extent` elements each.
fn row_and_column(row: u64, column: u64, extent: u64, width: u64) -> [Vec<[u64; 2]>; 2] {
    let column = (0..extent).map(|k| [(k * width + column) * 2, (k * width + column + 1) * 2]);
    [vec![[row * extent * 2, (row + 1) * extent * 2]], column.collect()]
}

/// By TMA into shared memory, `wgmma` from there, `stmatrix`, and by TMA out again.
#[test]
fn an_element_is_followed_through_tma_and_wgmma() {
    let mut session = session();
    run(&mut session, "%target sm_90\n%buf a = randn(256, 128, dtype=f16, seed=1)");
    run(&mut session, "%buf b = randn(128, 256, dtype=f16, seed=2)\n%buf c = zeros(256, 256, dtype=f16)");
    let kernel = "@triton.jit
def tiles(a, b, c, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    row, column = tl.program_id(0) * BM, tl.program_id(1) * BN
    sum = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        sum = tl.dot(a.load([row, k]), b.load([k, column]), sum)
    c.store([row, column], sum.to(tl.float16))
";
    let launch = "tiles[2, 2](tma(a, [128, 64]), tma(b, [64, 128]), tma(c, [128, 128]), 128, BM=128, BN=128, BK=64, num_warps=4)";
    run(&mut session, &format!("%%triton {launch}\n{kernel}"));
    let output = run(&mut session, "%trace c[200, 133]");
    insta::assert_snapshot!("trace_tma", output.text);
    let facts = output.facts.expect("facts");
    let [row, column] = row_and_column(200, 133, 128, 256);
    assert_eq!(facts["made_of"], serde_json::json!([{"buffer": "a", "bytes": row}, {"buffer": "b", "bytes": column}]));
    assert_eq!(facts["block"], serde_json::json!([1, 1, 0]));
    // A warp-specific wait: the timeline has it, beside what is under way.
    let html = run(&mut session, "%timeline tiles").html.expect("HTML");
    for expected in [">waits at mbarrier<", ">wgmma under way<", ">copies under way<", ">TMA issue<"] {
        assert!(html.contains(expected), "{expected}");
    }
}

/// Reductions go through shuffles and shared memory; a select takes one side.
#[test]
fn an_element_is_followed_through_a_reduction() {
    let mut session = session();
    run(&mut session, "%buf x = randn(4, 256, dtype=f16, seed=3)\n%buf y = zeros(4, 256, dtype=f16)");
    let kernel = "@triton.jit
def softmax(x, y, n, B: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, B)
    v = tl.load(x + row * 256 + i, mask=i < n, other=-float('inf')).to(tl.float32)
    e = tl.exp(v - tl.max(v, axis=0))
    tl.store(y + row * 256 + i, (e / tl.sum(e, axis=0)).to(tl.float16), mask=i < n)
";
    run(&mut session, &format!("%%triton softmax[4](x, y, 200, B=256, num_warps=2)\n{kernel}"));
    let facts = run(&mut session, "%trace y[2, 17]").facts.expect("facts");
    // Of the masked elements nothing was loaded.
    assert_eq!(facts["made_of"], serde_json::json!([{"buffer": "x", "bytes": [[2 * 512, 2 * 512 + 400]]}]));
    assert_eq!(fails(&mut session, "%trace y[2, 200]").code, "never-written");
}

#[test]
fn a_launch_is_counted_in_a_line() {
    let mut session = session();
    let text = run(&mut session, "%launch matmul").text;
    let counted = text.lines().find(|line| line.contains(" warp instructions")).expect("a line");
    insta::assert_snapshot!("counted", counted);
    run(&mut session, "%config counters off");
    let text = run(&mut session, "%launch matmul").text;
    assert!(text.contains("\n1 224 warp instructions\n"), "{text}");
}
