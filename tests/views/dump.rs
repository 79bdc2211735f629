use super::*;

/// A matmul over several tiles, pipelined, and its inputs.
fn matmul() -> Session {
    environment::python();
    let mut session = Session::new();
    run(&mut session, "%target sm_80\n%triton 3.4.0");
    run(&mut session, "%buf a = randn(64, 256, dtype=f16, seed=1)\n%buf b = randn(256, 64, dtype=f16, seed=2)");
    run(&mut session, "%buf c = zeros(64, 64)");
    let text = MATMUL.replace(" K: tl.constexpr", " K");
    run(&mut session, &format!("%%triton matmul[1](a, b, c, 256, 64, BLOCK=64)\n{text}"));
    session
}

/// The name of the value that the first line with all of these words defines.
fn value(session: &mut Session, cell: &str, words: &[&str]) -> String {
    let text = next_cell(session, cell);
    let line =
        text.lines().find(|line| words.iter().all(|word| line.contains(word))).unwrap_or_else(|| panic!("{text}"));
    line.trim().split([' ', ':']).next().expect("a name").to_owned()
}

#[test]
fn values_of_a_pipelined_loop() {
    let mut session = matmul();
    let dot = value(&mut session, "%edit ttgir matmul", &["tt.dot "]);
    run(&mut session, "%buf c = ones(64, 64)");
    let output = run(&mut session, &format!("%dump matmul {dot} --as sums"));
    assert!(output.text.contains("sums  f32 [4, 64, 64]") && output.text.contains("all iterations"), "{}", output.text);
    for tiles in 1..=4 {
        let end = tiles * 64;
        run(&mut session, &format!("%check sums[{}] == f32(a[:, :{end}]) @ f32(b[:{end}])", tiles - 1));
    }
    // A dump leaves the buffers alone.
    run(&mut session, "%check c == ones(64, 64)");
    let output = run(&mut session, &format!("%dump {dot} --iteration 3"));
    let buffer = dot.replace('%', "dump_");
    assert!(output.text.contains(&format!("{buffer}  f32 [64, 64]")), "{}", output.text);
    run(&mut session, &format!("%check {buffer} == f32(a) @ f32(b)"));

    // Operands in the layout of the dot, the shared memory that they come from, and one of the loop's results.
    let operand = value(&mut session, "%edit ttgir matmul", &["ttg.local_load", "opIdx = 1"]);
    let shared = value(&mut session, "%edit ttgir matmul", &["      %", "ttg.memdesc_subview %11"]);
    let result = value(&mut session, "%edit ttgir matmul", &["scf.for"]);
    let output = run(&mut session, &format!("%dump {operand} {shared} {result}#0 --as right,left,last"));
    assert!(output.text.contains(&format!("{shared} is shared memory")), "{}", output.text);
    run(&mut session, "%check right[2] == b[128:192]");
    run(&mut session, "%check left[3] == a[:, 192:]");
    run(&mut session, "%check last == f32(a) @ f32(b)");
    // What the loop counts with: the tile that is read, and the constant in front of it.
    run(&mut session, "%dump %arg4 --as start");
    run(&mut session, "%check start == [0, 64, 128, 192]");

    let error = fails(&mut session, &format!("%dump {result}"));
    assert_eq!(error.help, [format!("it has several results: `{result}#0` to `{result}#6`")]);
    let error = fails(&mut session, "%dump %arg44");
    assert_eq!(error.help, ["did you mean `%arg4`?"]);
    let token = value(&mut session, "%edit ttgir matmul", &["ttg.async_commit_group"]);
    let error = fails(&mut session, &format!("%dump {token}"));
    assert!(error.message.contains("a token of an asynchronous copy"), "{error}");
    assert_eq!(fails(&mut session, &format!("%dump {dot} --iteration 1,2")).code, "option-value");
    assert_eq!(fails(&mut session, &format!("%dump {dot} --iteration 9")).code, "never-computed");
}

#[test]
fn values_of_the_ttir() {
    let mut session = matmul();
    let loaded = value(&mut session, "%edit ttir matmul", &["tt.load"]);
    let output = run(&mut session, &format!("%dump {loaded} --stage ttir --as tiles"));
    run(&mut session, "%check tiles[2] == a[:, 128:192]");
    // It is read into registers once more.
    assert!(output.text.contains("the dump changed the TTGIR: 3 local_load instead of 2"), "{}", output.text);
}

#[test]
fn products_that_are_not_waited_for_are_refused() {
    let mut session = matmul();
    let text = MATMUL.replace(" K: tl.constexpr", " K");
    run(&mut session, &format!("%target sm_90\n%%triton matmul[1](a, b, c, 256, 64, BLOCK=64)\n{text}"));
    let dot = value(&mut session, "%edit ttgir matmul", &["ttng.warp_group_dot %", "isAsync = true"]);
    let error = fails(&mut session, &format!("%dump matmul {dot}"));
    assert!(error.message.contains("the tensor cores are still at work on it there"), "{error}");
    let waited = error.help[0].split('`').nth(1).expect("a name").to_owned();
    run(&mut session, &format!("%dump matmul {waited} --as sums"));
    run(&mut session, "%dump matmul sum");
    run(&mut session, "%check dump_sum[3] == f32(a) @ f32(b)");
}

#[test]
fn variables_of_the_python() {
    let mut session = matmul();
    let output = run(&mut session, "%dump matmul a --as tiles");
    assert!(output.text.contains("matmul v1 · sm_80 · Triton 3.4.0 · ttir"), "{}", output.text);
    run(&mut session, "%check tiles[1] == a[:, 64:128]");
    let output = run(&mut session, "%dump sum start K");
    assert!(
        output.text.contains("dump_sum  f32 [4, 64, 64]") && output.text.contains("dump_K  i32 []"),
        "{}",
        output.text
    );
    run(&mut session, "%check dump_sum[3] == f32(a) @ f32(b)");
    run(&mut session, "%check dump_start == [0, 64, 128, 192]");
    run(&mut session, "%dump b:7 --iteration 2");
    run(&mut session, "%check dump_b_7 == b[128:192]");

    let error = fails(&mut session, "%dump matmul summ");
    assert_eq!((error.code, error.help.as_slice()), ("unknown-value", &["did you mean `sum`?".to_owned()][..]));
    // Three in one line, of which nothing tells which is which.
    let error = fails(&mut session, "%dump matmul rows");
    assert!(error.notes.contains(&"assigned at line 3".to_owned()), "{error}");
    assert_eq!(fails(&mut session, "%dump sum --stage ttgir").code, "option-value");
    assert_eq!(fails(&mut session, "%dump nothing").code, "unknown-value");
}

/// The transposed tile goes through 256 KiB of shared memory before it is stored, and sm_75 has 64 KiB: on the emulator that is no
/// obstacle to a look at it.
#[test]
fn a_tile_that_is_larger_than_shared_memory() {
    environment::python();
    let mut session = Session::new();
    run(&mut session, "%target sm_75\n%triton 3.4.0\n%buf x = randn(256, 256, seed=3)\n%buf y = zeros(256)");
    let kernel = "@triton.jit
def columns(x_ptr, y_ptr):
    at = tl.arange(0, 256)
    tile = tl.load(x_ptr + at[:, None] * 256 + at[None, :])
    turned = tl.trans(tile)
    tl.store(y_ptr + at, tl.max(turned, axis=1))
";
    run(&mut session, &format!("%%triton columns[1](x, y, num_warps=8)\n{kernel}"));
    let output = run(&mut session, "%dump columns turned");
    run(&mut session, "%check dump_turned == x.T");
    let shared = output.text.lines().find(|line| line.contains("bytes of shared memory")).unwrap_or_default();
    let taken: Option<u32> = shared.split_whitespace().find_map(|word| word.parse().ok());
    assert!(taken.is_some_and(|bytes| bytes > 65536), "{}", output.text);
}

/// Pointers, fp8, results of scans, histograms and splits, loops and branches.
#[test]
fn values_of_every_kind() {
    let mut session = session();
    run(&mut session, "%buf x = randn(64, seed=4)\n%buf n = arange(0, 64, dtype=i32)\n%buf y = zeros(64)");
    let kinds = "@triton.jit
def kinds(x_ptr, n_ptr, y_ptr, limit):
    at = tl.arange(0, 64)
    place = x_ptr + at
    x = tl.load(place)
    small = x.to(tl.float8e5)
    summed = tl.cumsum(x, 0)
    bins = tl.histogram(tl.load(n_ptr + at) % 4, 32)
    left, right = tl.split(tl.reshape(x, (32, 2)))
    most, where = tl.max(x, 0, return_indices=True)
    steps, total = 0, 0
    while steps < limit:
        inner = steps * 2
        total += inner
        steps += 1
    half = left + right + most + where + total
    tl.store(y_ptr + at, summed + tl.sum(half, 0) + tl.sum(bins, 0) + small.to(tl.float32))
";
    run(&mut session, &format!("%%triton kinds[1](x, n, y, 3)\n{kinds}"));
    run(&mut session, "%dump kinds small summed bins left right at");
    run(&mut session, "%check dump_small == x.to(f8e5m2)");
    run(&mut session, "%check dump_summed == x.cumsum(0), atol=1e-5");
    run(&mut session, "%check dump_bins[:5] == [16, 16, 16, 16, 0]");
    run(&mut session, "%check dump_left == x[::2]");
    run(&mut session, "%check dump_right == x[1::2]");
    // A pointer is its address.
    run(&mut session, "%dump kinds place");
    run(&mut session, "%check dump_place - dump_place[0] == arange(0, 64) * 4");
    let error = fails(&mut session, "%dump kinds inner");
    assert!(error.message.contains("it is in a `scf.while`, whose iterations have no number"), "{error}");
    let last = value(&mut session, "%edit ttir kinds", &["scf.while"]);
    run(&mut session, &format!("%dump kinds {last}#0 {last}#1 --stage ttir --as steps,total"));
    run(&mut session, "%check steps + total == 3 + 6");
}

#[test]
fn values_of_many_programs() {
    let mut session = session();
    run(&mut session, "%buf x = randn(6, 100, seed=3)\n%buf y = zeros(6, 100)");
    let softmax = "@triton.jit
def softmax(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    k = tl.arange(0, BLOCK)
    mask = k < n
    x = tl.load(x_ptr + row * n + k, mask=mask, other=-float('inf'))
    e = tl.exp(x - tl.max(x, 0))
    tl.store(y_ptr + row * n + k, e / tl.sum(e, 0), mask=mask)
";
    run(&mut session, &format!("%%triton softmax[6](x, y, 100, BLOCK=128)\n{softmax}"));
    let names = [["arith.cmpi"], ["math.exp"], ["tt.reduce"], ["tt.get_program_id"]]
        .map(|words| value(&mut session, "%edit ttgir softmax", &words));
    let [mask, exp, largest, row] = names;
    run(&mut session, &format!("%dump softmax {mask} {exp} {largest} {row} --program all --as mask,e,largest,row"));
    run(&mut session, "%check mask[4] == (arange(0, 128) < 100)");
    run(&mut session, "%check largest == x.max(axis=1)");
    run(&mut session, "%check e[:, :100] == exp(x - x.max(axis=1).reshape(6, 1))");
    run(&mut session, "%check row == arange(0, 6)");
    let output = run(&mut session, &format!("%dump softmax {exp} --program 5"));
    assert!(output.text.contains("program (5, 0, 0)"), "{}", output.text);
    run(&mut session, &format!("%check {} == e[5]", exp.replace('%', "dump_")));
    let error = fails(&mut session, &format!("%dump softmax {exp} --program 6"));
    assert_eq!((error.code, error.notes.as_slice()), ("option-value", &["it is 6 × 1 × 1".to_owned()][..]));
    let inside = value(&mut session, "%edit ttgir softmax", &["arith.maxnumf"]);
    let error = fails(&mut session, &format!("%dump softmax {inside}"));
    assert!(error.message.contains("2 values are called"), "{error}");
    let line = error.help[0].split([' ', ',']).find(|word| word.parse::<u32>().is_ok()).expect("a line").to_owned();
    let error = fails(&mut session, &format!("%dump softmax {inside} --line {line}"));
    assert!(error.message.contains("it is inside of a `tt.reduce`"), "{error}");
}
