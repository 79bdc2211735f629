use super::*;

#[test]
fn layouts_of_the_kernel_s_own_ttgir() {
    let mut session = session();
    insta::assert_snapshot!("layouts", run(&mut session, "%layout matmul").text);
    let output = run(&mut session, "%layout matmul #mma");
    insta::assert_snapshot!("mma", output.text);
    let html = output.html.expect("HTML");
    // Row 1 of the accumulator begins with the thread 4.
    assert!(
        html.contains(">T0:0</text>") && html.contains(">T4:0</text>") && html.contains("warp 0"),
        "{}",
        html.len()
    );
    insta::assert_snapshot!("shared", run(&mut session, "%layout #shared").text);
    let unknown = fails(&mut session, "%layout matmul #mna");
    assert_eq!(unknown.help, ["did you mean `#mma`?"]);
    assert_eq!(fails(&mut session, "%layout matmul #mma --shape 3x4").code, "option-value");
    let at = run(&mut session, "%layout #mma --at 9,3").text;
    assert!(at.ends_with("[9,3] is in T5:3"), "{at}");
    let rank = fails(&mut session, "%layout #mma --at 9");
    assert_eq!(rank.message, "1 coordinates for a tensor of 2 dimensions");
    let outside = fails(&mut session, "%layout #mma --at 64,0");
    assert_eq!(
        (outside.message.as_str(), outside.help[0].as_str()),
        ("[64,0] is outside the tensor of 64×64", "the dimension 0 has 64 elements")
    );
    let huge = fails(&mut session, "%layout #mma --shape 16384x16384");
    assert_eq!(huge.message, "not drawn: 268435456 places");
    assert_eq!(fails(&mut session, "%layout matmul %31x").help.len(), 1);
    assert_eq!(fails(&mut session, "%layout matmul mma").code, "unknown-layout");
}

/// The values of the lines of a list that begin with a word.
fn values_of(text: &str, what: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains(what) && line.starts_with("  %"));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn what_moves_is_shown() {
    let mut session = session();
    let list = run(&mut session, "%layout matmul").text;
    let conversion = values_of(&list, "#mma -> ").pop().expect("a conversion");
    let output = run(&mut session, &format!("%layout matmul {conversion}"));
    insta::assert_snapshot!("conversion", output.text);
    let html = output.html.expect("HTML");
    assert!(html.contains("the path of ") && html.contains("coloured by the distance that it moved"));
    let load = values_of(&list, "#ttg.dot_op").remove(0);
    let output = run(&mut session, &format!("%layout matmul {load} --at 9,3"));
    insta::assert_snapshot!("operand", output.text);
    let facts = output.facts.expect("facts");
    assert_eq!((&facts["rounds"], &facts["least"]), (&1.into(), &1.into()));
    let global = list.lines().find(|line| line.contains("sectors")).and_then(|line| line.split_whitespace().next());
    assert!(global.is_some(), "{list}");
}

#[test]
fn fragments_of_the_kernel_s_own_instructions() {
    let mut session = session();
    let output = run(&mut session, "%mma matmul");
    insta::assert_snapshot!("fragments", output.text);
    assert!(output.html.expect("HTML").contains("B, 16×8: thread and register of each element"));
    let facts = output.facts.expect("facts");
    let dot = &facts["dots"][0];
    assert_eq!((&dot["shape"], &dot["step"]), (&serde_json::json!([64, 64, 64]), &serde_json::json!([32, 16, 16])));
    assert_eq!(dot["known_by"], "by the registers that hold A and B");
    assert_eq!(dot["tiles"].as_array().map(Vec::len), Some(32));
    let chosen = run(&mut session, "%mma matmul --instruction 3").text;
    assert!(chosen.contains("\n  3 (PTX line"), "{chosen}");
    let wrong = fails(&mut session, "%mma matmul --instruction 32");
    assert_eq!(wrong.help, ["0 to 31"]);
}

const DOUBLE: &str = "@triton.jit
def double(a, c, BLOCK: tl.constexpr):
    row, column = tl.program_id(0) * BLOCK, tl.program_id(1) * BLOCK
    c.store([row, column], a.load([row, column]) * 2)
";

#[test]
fn descriptors_of_a_kernel() {
    let mut session = session();
    assert_eq!(fails(&mut session, "%tma matmul").code, "no-descriptor");
    let header = "%%triton double[2, 2](tma(a, [32, 32]), tma(b, [32, 32]), 32) --compile --target sm_90";
    run(&mut session, &format!("{header}\n{DOUBLE}"));
    insta::assert_snapshot!("descriptors", run(&mut session, "%tma double").text);
    let unknown = fails(&mut session, "%tma double d");
    assert_eq!(unknown.code, "unknown-descriptor");
    let before = fails(&mut session, "%tma double a --at 0,0");
    assert_eq!(before.message, "the address and extents of a are not known");
}

#[test]
fn descriptors_of_a_launch() {
    let mut session = session();
    run(&mut session, "%target sm_90");
    run(&mut session, &format!("%%triton double[2, 2](tma(a, [32, 32]), tma(b, [32, 32]), 32)\n{DOUBLE}"));
    let output = run(&mut session, "%tma double a --at 48,32");
    insta::assert_snapshot!("copy", output.text);
    let facts = output.facts.expect("facts");
    let copy = &facts["descriptors"][0]["copy"];
    assert_eq!((&copy["moved"], &copy["filled"]), (&1024.into(), &1024.into()));
    assert!(output.html.expect("HTML").contains("red: outside the tensor"));
    assert_eq!(fails(&mut session, "%tma double a --at 48").code, "option-value");
    assert_eq!(fails(&mut session, "%tma double a --at x,1").help, ["`--at 128,64`"]);
}

const OWN: &str = "@triton.jit
def own(a_ptr, c_ptr, M, N, BLOCK: tl.constexpr):
    a = tl.make_tensor_descriptor(a_ptr, [M, N], [N, 1], [BLOCK, BLOCK])
    c = tl.make_tensor_descriptor(c_ptr, [M, N], [N, 1], [BLOCK, BLOCK])
    row, column = tl.program_id(0) * BLOCK, tl.program_id(1) * BLOCK
    c.store([row, column], a.load([row, column]) + 1.0)
";

#[test]
fn descriptors_that_the_kernel_makes() {
    let mut session = session();
    run(&mut session, "%target sm_90\n%buf x = randn(64, 64, seed=3)\n%buf y = zeros(64, 64)");
    run(&mut session, &format!("%%triton own[2, 2](x, y, 64, 64, 32)\n{OWN}"));
    let kept = run(&mut session, "%show y").text;
    let output = run(&mut session, "%tma own");
    assert!(output.text.contains("tensor 64×64 at x, rows 256 bytes apart"), "{}", output.text);
    assert!(output.text.contains("as program 0 of the last launch wrote it"), "{}", output.text);
    assert_eq!(run(&mut session, "%show y").text, kept);
    let facts = output.facts.expect("facts");
    let all = facts["descriptors"].as_array().expect("descriptors");
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|one| one["box"] == serde_json::json!([32, 32]) && one["swizzle"] == 128), "{all:?}");
}

const TMA_MATMUL: &str = "@triton.jit
def product(a, b, c, K, M: tl.constexpr, N: tl.constexpr, BLOCK: tl.constexpr):
    sum = tl.zeros((M, N), dtype=tl.float32)
    for k in range(0, K, BLOCK):
        sum = tl.dot(a.load([0, k]), b.load([k, 0]), sum)
    c.store([0, 0], sum.to(tl.float16))
";

/// Compiled for a target; with no option launched too.
fn tma_matmul(session: &mut Session, options: &str) {
    run(
        session,
        "%buf p = randn(128, 128, dtype=f16, seed=1)\n%buf q = randn(128, 64, dtype=f16, seed=2)\n%buf r = zeros(128, 64, dtype=f16)",
    );
    let call = "tma(p, [128, 64]), tma(q, [64, 64]), tma(r, [128, 64]), 128, 128, 64, 64";
    run(session, &format!("%%triton product[1]({call}) {options}\n{TMA_MATMUL}"));
}

/// Every layout, value and instruction of a kernel is drawn.
fn everything_is_drawn(session: &mut Session, kernel: &str) {
    let list = run(session, &format!("%layout {kernel}")).text;
    assert!(!list.contains("not computed"), "{list}");
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    let names: Vec<String> = names.filter(|name| name.starts_with(['#', '%'])).map(str::to_owned).collect();
    assert!(names.len() > 3, "{list}");
    for name in names {
        let output = run(session, &format!("%layout {kernel} {name}"));
        assert!(output.html.expect("HTML").len() < 1 << 20, "{name}");
    }
}

#[test]
fn descriptors_of_wgmma_are_decoded() {
    let mut session = session();
    tma_matmul(&mut session, "--compile --target sm_90");
    let output = run(&mut session, "%mma product");
    insta::assert_snapshot!("wgmma", output.text);
    let facts = output.facts.expect("facts");
    let dot = &facts["dots"][0];
    assert_eq!(dot["known_by"], "by the addresses in the descriptors");
    // 128 rows are two instructions of 64, 64 along K four of 16.
    let tiles = serde_json::json!([
        [0, [0, 0, 0]],
        [1, [0, 0, 1]],
        [2, [0, 0, 2]],
        [3, [0, 0, 3]],
        [4, [1, 0, 0]],
        [5, [1, 0, 1]],
        [6, [1, 0, 2]],
        [7, [1, 0, 3]]
    ]);
    assert_eq!(dot["tiles"], tiles);
    let html = output.html.expect("HTML");
    assert!(html.contains("descriptor of A") && html.contains("marked: what is read") && html.len() < 1 << 20);
    everything_is_drawn(&mut session, "product");
}

/// Descriptors that depend on an argument are those of the last launch.
#[test]
fn descriptors_that_arguments_decide() {
    let mut session = session();
    run(&mut session, "%target sm_90");
    tma_matmul(&mut session, "");
    let tiles = |output: &Output| output.facts.as_ref().expect("facts")["dots"][0]["tiles"].clone();
    let by_the_text = tiles(&run(&mut session, "%mma product"));
    // The buffer of A that a product reads moves on by the bits of K below 128, of which there is none.
    let cell = next_cell(&mut session, "%edit ttgir product");
    let function = cell.lines().find(|line| line.contains("tt.func public")).expect("a function");
    let (parameters, _) = function.rsplit_once(": i32").expect("K");
    let k = parameters.rsplit('%').next().and_then(|rest| rest.split(':').next()).expect("a name");
    let dot = cell.lines().find(|line| line.contains("= ttng.warp_group_dot ")).expect("a product");
    let a = dot.split(['%', ',']).nth(2).expect("an operand");
    let view = cell.lines().find(|line| line.contains(&format!("%{a} = "))).expect("a view");
    let (buffers, rest) = view.split_once('[').expect("an index");
    let (index, rest) = rest.split_once(',').expect("an index");
    let moved = format!(
        "%low = arith.constant 127 : i32\n%bits = arith.andi %{k}, %low : i32\n%on = arith.addi {index}, %bits : i32\n{buffers}[%on,{rest}"
    );
    run(&mut session, &cell.replace(view, &moved));
    run(&mut session, "%check r == f32(p) @ f32(q), rtol=1e-2, atol=1e-1");
    let output = run(&mut session, "%mma product");
    let said = "values that the text does not decide: they are the values of the last launch, when block (0, 0, 0) first reaches";
    assert!(output.text.contains(said), "{}", output.text);
    assert!(output.text.contains("by the addresses in the descriptors"), "{}", output.text);
    assert_eq!(tiles(&output), by_the_text);
    let html = output.html.expect("HTML");
    assert!(html.contains("descriptor of A") && html.contains("descriptor of B"));
    // Without a launch it stays unknown, and the reason is told.
    let cell = cell.replace(view, &moved).replacen("%%ttgir product", "%%ttgir other", 1);
    run(&mut session, &cell.replacen('\n', " --compile\n", 1));
    let output = run(&mut session, "%mma other");
    assert!(output.text.contains("does not decide: `other` was never launched"), "{}", output.text);
}

#[test]
fn an_element_of_a_pipeline_s_buffers() {
    let mut session = session();
    tma_matmul(&mut session, "--compile --target sm_90");
    let buffers = run(&mut session, "%layout product #shared").text;
    assert!(buffers.contains("128×64 elements of 2 bytes, 16384 bytes"), "{buffers}");
    // Row 3 of lines of 128 bytes, the second piece of 16 bytes exchanged with the third before it.
    let of_each = run(&mut session, "%layout product #shared --at 3,5");
    assert!(
        of_each.text.contains("\n[3,5] of each of the 3 buffers is at byte 442 (0x1ba), bank 14"),
        "{}",
        of_each.text
    );
    let of_one = run(&mut session, "%layout product #shared --at 1,3,5");
    assert!(of_one.text.contains("\n[3,5] of buffer 1 is at byte 442 (0x1ba), bank 14"), "{}", of_one.text);
    // Both mark the same element.
    let marked = |output: &Output| output.html.as_ref().expect("HTML").replace("buffer 1", "each of the 3 buffers");
    assert_eq!(marked(&of_each), marked(&of_one));
    assert_ne!(marked(&of_each).len(), run(&mut session, "%layout product #shared").html.expect("HTML").len());
    let outside = fails(&mut session, "%layout product #shared --at 3,3,5");
    assert_eq!(outside.help, ["the dimension 0 has 3 elements"]);
    assert_eq!(fails(&mut session, "%layout product #shared --at 3,64").help, ["the dimension 1 has 64 elements"]);
    assert_eq!(fails(&mut session, "%layout product #shared --at 3").help, ["0,… to 2,127,63 or 127,63"]);
}

/// Attention: two dots, one of whose operands stays in registers, between reductions along the rows.
const ATTENTION: &str = "@triton.jit
def attention(q, k, v, o, N, scale, BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr, TMA: tl.constexpr):
    first = tl.program_id(0) * BM
    rows, d = first + tl.arange(0, BM), tl.arange(0, D)
    x = q.load([first, 0]) if TMA else tl.load(q + rows[:, None] * D + d[None, :])
    most = tl.full([BM], float('-inf'), tl.float32)
    total = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, D], tl.float32)
    for start in range(0, N, BN):
        columns = start + tl.arange(0, BN)
        y = k.load([start, 0]).T if TMA else tl.load(k + columns[None, :] * D + d[:, None])
        s = tl.dot(x, y) * scale
        new = tl.maximum(most, tl.max(s, 1))
        p = tl.exp2(s - new[:, None])
        keep = tl.exp2(most - new)
        total = total * keep + tl.sum(p, 1)
        z = v.load([start, 0]) if TMA else tl.load(v + columns[:, None] * D + d[None, :])
        acc = tl.dot(p.to(tl.float16), z, acc * keep[:, None])
        most = new
    result = (acc / total[:, None]).to(tl.float16)
    if TMA:
        o.store([first, 0], result)
    else:
        tl.store(o + rows[:, None] * D + d[None, :], result)
";

/// The buffers of an attention, launched.
fn attention(target: &str, is_tma: bool) -> Session {
    let mut session = Session::new();
    run(&mut session, &format!("%target {target}\n%triton 3.4.0"));
    for (seed, name) in ["q", "k", "v", "o"].into_iter().enumerate() {
        run(&mut session, &format!("%buf {name} = randn(128, 64, dtype=f16, seed={seed})"));
    }
    let call = match is_tma {
        true => "tma(q, [64, 64]), tma(k, [64, 64]), tma(v, [64, 64]), tma(o, [64, 64])",
        false => "q, k, v, o",
    };
    let header = format!(
        "%%triton attention[2]({call}, 128, 0.18033688, BM=64, BN=64, D=64, TMA={})",
        if is_tma { "True" } else { "False" }
    );
    run(&mut session, &format!("{header}\n{ATTENTION}"));
    run(&mut session, "%check o == softmax(q.to(f64) @ k.to(f64).T * 0.125) @ v.to(f64), rtol=2e-2, atol=2e-3");
    session
}

/// Both dots of an attention, whose tiles are all known.
fn both_dots(session: &mut Session, instruction: &str) {
    let output = run(session, "%mma attention");
    assert!(!output.text.contains("not linked") && output.text.contains(instruction), "{}", output.text);
    let facts = output.facts.expect("facts");
    let dots = facts["dots"].as_array().expect("dots");
    assert_eq!(dots.len(), 2, "{}", output.text);
    for dot in dots {
        assert_eq!(dot["shape"], serde_json::json!([64, 64, 64]));
        let step: Vec<u64> = dot["step"].as_array().expect("a step").iter().filter_map(|n| n.as_u64()).collect();
        let expected: u64 = step.iter().map(|step| 64 / step).product();
        let tiles: std::collections::BTreeSet<String> =
            dot["tiles"].as_array().expect("tiles").iter().map(|tile| tile[1].to_string()).collect();
        assert_eq!(tiles.len() as u64, expected, "{}", output.text);
    }
}

#[test]
fn attention_by_mma_sync() {
    let mut session = attention("sm_80", false);
    everything_is_drawn(&mut session, "attention");
    both_dots(&mut session, "mma.sync.aligned.m16n8k16");
    assert_eq!(fails(&mut session, "%tma attention").code, "no-descriptor");
}

#[test]
fn attention_by_wgmma() {
    let mut session = attention("sm_90", false);
    everything_is_drawn(&mut session, "attention");
    both_dots(&mut session, "wgmma.mma_async");
}

#[test]
fn attention_by_tma() {
    let mut session = attention("sm_90", true);
    everything_is_drawn(&mut session, "attention");
    both_dots(&mut session, "wgmma.mma_async");
    let output = run(&mut session, "%tma attention k --at 64,0");
    let facts = output.facts.expect("facts");
    let all = facts["descriptors"].as_array().expect("descriptors");
    assert!(all.iter().any(|one| one["copy"]["moved"] == 64 * 64 * 2), "{}", output.text);
    assert_eq!(
        run(&mut session, "%tma attention").facts.expect("facts")["descriptors"].as_array().map(Vec::len),
        Some(4)
    );
}

#[test]
fn tcgen05_and_tensor_memory() {
    if !has_triton(environment::GLUON_TRITON) {
        return;
    }
    let mut session = session();
    run(&mut session, "%triton 3.6.0");
    tma_matmul(&mut session, "--compile --target sm_100");
    insta::assert_snapshot!("tcgen05", run(&mut session, "%mma product").text);
    insta::assert_snapshot!("tensor_memory", run(&mut session, "%layout product #tmem").text);
    let at = run(&mut session, "%layout product #tmem --at 37,5").text;
    assert!(at.contains("[37,5] is in lane 37, column 5"), "{at}");
    everything_is_drawn(&mut session, "product");
}

/// A kernel that loads a tensor in one layout and stores it in another.
fn conversion(from: &str, to: &str, [rows, columns]: [u32; 2]) -> String {
    let offsets = |name: &str, layout: &str| {
        let of = |dim: u32| format!("#ttg.slice<{{dim = {dim}, parent = {layout}}}>");
        format!(
            "    %{name}r = tt.make_range {{end = {rows} : i32, start = 0 : i32}} : tensor<{rows}xi32, {}>
    %{name}c = tt.make_range {{end = {columns} : i32, start = 0 : i32}} : tensor<{columns}xi32, {}>
    %{name}x = tt.expand_dims %{name}r {{axis = 1 : i32}} : tensor<{rows}xi32, {}> -> tensor<{rows}x1xi32, {layout}>
    %{name}y = tt.expand_dims %{name}c {{axis = 0 : i32}} : tensor<{columns}xi32, {}> -> tensor<1x{columns}xi32, {layout}>
    %{name}w = arith.constant dense<{columns}> : tensor<{rows}x1xi32, {layout}>
    %{name}m = arith.muli %{name}x, %{name}w : tensor<{rows}x1xi32, {layout}>
    %{name}a = tt.broadcast %{name}m : tensor<{rows}x1xi32, {layout}> -> tensor<{rows}x{columns}xi32, {layout}>
    %{name}b = tt.broadcast %{name}y : tensor<1x{columns}xi32, {layout}> -> tensor<{rows}x{columns}xi32, {layout}>
    %{name}o = arith.addi %{name}a, %{name}b : tensor<{rows}x{columns}xi32, {layout}>
    %{name}s = tt.splat %{name} : !tt.ptr<f32> -> tensor<{rows}x{columns}x!tt.ptr<f32>, {layout}>
    %{name}p = tt.addptr %{name}s, %{name}o : tensor<{rows}x{columns}x!tt.ptr<f32>, {layout}>, tensor<{rows}x{columns}xi32, {layout}>
",
            of(1),
            of(0),
            of(1),
            of(0)
        )
    };
    format!(
        "#from = {from}
#to = {to}
module attributes {{\"ttg.num-ctas\" = 1 : i32, \"ttg.num-warps\" = 4 : i32, ttg.target = \"cuda:80\", \"ttg.threads-per-warp\" = 32 : i32}} {{
  tt.func public @conversion(%in: !tt.ptr<f32>, %out: !tt.ptr<f32>) {{
{}{}    %loaded = tt.load %inp : tensor<{rows}x{columns}x!tt.ptr<f32>, #from>
    %moved = ttg.convert_layout %loaded : tensor<{rows}x{columns}xf32, #from> -> tensor<{rows}x{columns}xf32, #to>
    tt.store %outp, %moved : tensor<{rows}x{columns}x!tt.ptr<f32>, #to>
    tt.return
  }}
}}
",
        offsets("in", "#from"),
        offsets("out", "#to")
    )
}

/// How a conversion is carried out is what the compiler's own PTX does, by each version's own rule.
#[test]
fn conversions_are_those_of_the_compiler() {
    let blocked = |size: &str, threads: &str, warps: &str, order: &str| {
        format!(
            "#ttg.blocked<{{sizePerThread = {size}, threadsPerWarp = {threads}, warpsPerCTA = {warps}, order = {order}}}>"
        )
    };
    let linear = |register: &str, lane: &str, warp: &str| {
        format!("#ttg.linear<{{register = {register}, lane = {lane}, warp = {warp}, block = []}}>")
    };
    let mma = "#ttg.nvidia_mma<{versionMajor = 2, versionMinor = 0, warpsPerCTA = [4, 1], instrShape = [16, 8]}>";
    let wide = "#ttg.nvidia_mma<{versionMajor = 2, versionMinor = 0, warpsPerCTA = [2, 2], instrShape = [16, 8]}>";
    let rows = blocked("[1, 4]", "[4, 8]", "[4, 1]", "[1, 0]");
    let (warps, lanes) = ("[[16, 0], [32, 0]]", "[[0, 4], [0, 8], [1, 0], [2, 0], [4, 0]]");
    let registers = linear("[[0, 1], [0, 2], [8, 0]]", lanes, warps);
    let cases: Vec<(String, String, [u32; 2])> = vec![
        // Registers only.
        (registers.clone(), linear("[[8, 0], [0, 1], [0, 2]]", lanes, warps), [64, 16]),
        (registers.clone(), registers.clone(), [64, 16]),
        // One bit of the lane number changes places with one of the register's.
        (
            registers.clone(),
            linear("[[0, 4], [0, 2], [8, 0]]", "[[0, 1], [0, 8], [1, 0], [2, 0], [4, 0]]", warps),
            [64, 16],
        ),
        // Lanes among themselves.
        (
            registers.clone(),
            linear("[[0, 1], [0, 2], [8, 0]]", "[[1, 0], [2, 0], [4, 0], [0, 4], [0, 8]]", warps),
            [64, 16],
        ),
        // Lanes among themselves, of which half hold copies: 3.4 does not shuffle them.
        (
            linear("[[8, 0], [0, 1]]", "[[1, 0], [2, 0], [0, 2], [0, 0], [0, 4]]", "[[4, 0], [16, 0]]"),
            linear("[[8, 0], [0, 1]]", "[[2, 0], [1, 0], [0, 2], [0, 0], [0, 4]]", "[[4, 0], [16, 0]]"),
            [32, 8],
        ),
        // Two bits.
        (
            registers.clone(),
            linear("[[0, 4], [0, 8], [8, 0]]", "[[0, 1], [0, 2], [1, 0], [2, 0], [4, 0]]", warps),
            [64, 16],
        ),
        // Warps too.
        (registers.clone(), linear("[[0, 1], [0, 2], [16, 0]]", lanes, "[[8, 0], [32, 0]]"), [64, 16]),
        (mma.to_owned(), rows.clone(), [64, 32]),
        (rows.clone(), mma.to_owned(), [64, 32]),
        (wide.to_owned(), rows.clone(), [64, 64]),
        (mma.to_owned(), format!("#ttg.dot_op<{{opIdx = 0, parent = {mma}, kWidth = 2}}>"), [64, 16]),
        (mma.to_owned(), format!("#ttg.dot_op<{{opIdx = 0, parent = {mma}, kWidth = 1}}>"), [64, 16]),
        (mma.to_owned(), format!("#ttg.dot_op<{{opIdx = 0, parent = {mma}, kWidth = 4}}>"), [64, 32]),
        (rows.clone(), blocked("[4, 1]", "[8, 4]", "[1, 4]", "[0, 1]"), [64, 64]),
        (rows.clone(), blocked("[1, 2]", "[4, 8]", "[4, 1]", "[1, 0]"), [16, 32]),
    ];
    let mut session = session();
    for version in ["3.4.0", "3.5.1", "3.6.0", "3.7.1", "3.8.0", "3.9.0"] {
        if !has_triton(version) {
            continue;
        }
        run(&mut session, &format!("%triton {version}"));
        let mut seen: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
        let mut others = Vec::new();
        for (from, to, shape) in &cases {
            let text = conversion(from, to, *shape);
            run(&mut session, &format!("%%ttgir conversion --compile --target sm_80\n{text}"));
            let output = run(&mut session, "%layout conversion %moved");
            let means = output.facts.expect("facts")["means"].as_str().expect("means").to_owned();
            let ptx = next_cell(&mut session, "%edit ptx conversion");
            let done = if ptx.contains("st.shared") || ptx.contains("stmatrix") {
                "through shared memory"
            } else if ptx.contains("shfl.sync") {
                "warp shuffles"
            } else {
                "registers are renamed, nothing moves"
            };
            if means != done {
                others.push(format!("{from} to {to}: {done}, not {means}"));
            }
            *seen.entry(means).or_default() += 1;
        }
        assert!(others.is_empty(), "Triton {version}: {}", others.join("\n"));
        assert_eq!(seen.len(), 3, "Triton {version}: {seen:?}");
    }
}
