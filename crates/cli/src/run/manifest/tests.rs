use super::*;

const HEAD: &str = "apiVersion: 1\nkind: instance-spec\nimage: traceloop\n";

fn offered() -> Vec<Param> {
    let param = |prefix: &str, key: &str, hint: &str| Param {
        prefix: prefix.into(),
        key: key.into(),
        type_hint: hint.into(),
        ..Param::default()
    };
    vec![
        param("operator.oci.wasm.", "syscall-filters", "string"),
        Param {
            alternative_key: "process".into(),
            ..param("operator.oci.ebpf.", "pid", "uint32")
        },
        param("operator.filter.", "filter", ""),
    ]
}

/// The error, with everything that it names.
#[track_caller]
fn fails(text: &str, words: &[&str]) {
    let error = parse("m.yaml", text)
        .and_then(|specs| one(specs, "m.yaml"))
        .and_then(|spec| spec.values(&offered()).map(drop))
        .expect_err(text);
    let error = format!("{error:#}");
    assert!(error.contains("`m.yaml`"), "{error}");
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[track_caller]
fn value(text: &str, name: &str) -> String {
    let spec = one(parse("m.yaml", text).unwrap(), "m.yaml").unwrap();
    let values = spec.values(&offered()).unwrap();
    values.get(name).expect("given").to_owned()
}

#[test]
fn a_run_is_an_image_and_values() {
    let text = format!(
        "{HEAD}id: 0123456789abcdef0123456789abcdef\nname: my_run-1\ntags: [a, b]\nnodes: [n]\n\
         paramValues:\n  operator.oci.wasm.syscall-filters: '\"openat, write\"'\n  operator.oci.ebpf.pid: 7\n"
    );
    let spec = one(parse("m.yaml", &text).unwrap(), "m.yaml").unwrap();
    assert_eq!(spec.image, "traceloop");
    let values = spec.values(&offered()).unwrap();
    assert_eq!(
        values.get("operator.oci.wasm.syscall-filters"),
        Some("\"openat, write\"")
    );
    assert_eq!(values.get("operator.oci.ebpf.pid"), Some("7"));
}

#[test]
fn values_stay_as_they_were_written() {
    for (written, expected) in [
        ("0x10", "0x10"),
        ("1.50", "1.50"),
        ("true", "true"),
        ("yes", "yes"),
        ("'007'", "007"),
        ("a, b", "a, b"),
        ("~", ""),
        ("", ""),
        ("'@file'", "@file"),
        (">\n    openat,\n    write", "openat, write"),
    ] {
        let text = format!("{HEAD}paramValues:\n  operator.oci.wasm.syscall-filters: {written}\n");
        assert_eq!(
            value(&text, "operator.oci.wasm.syscall-filters").trim_end(),
            expected
        );
    }
}

#[test]
fn empty_documents_do_not_count() {
    let text = format!("---\n---\n# nothing\n---\n{HEAD}---\n");
    assert_eq!(parse("m", &text).unwrap().len(), 1);
    for text in ["", "\n", "---\n", "# nothing\n"] {
        fails(text, &["no gadget instance spec found"]);
    }
    fails(
        &format!("{HEAD}---\n{HEAD}"),
        &["multiple gadget instance specs found in manifest", "(2)"],
    );
}

#[test]
fn what_is_wrong_in_a_document_is_named() {
    for (text, words) in [
        ("[1]", vec!["document 1", "a list"]),
        (
            "kind: instance-spec\nimage: x",
            vec!["document 1", "`apiVersion` is missing"],
        ),
        (
            "apiVersion: 2\nkind: instance-spec\nimage: x",
            vec!["`apiVersion` must be 1, not 2"],
        ),
        (
            "apiVersion: '1'\nkind: instance-spec\nimage: x",
            vec!["`apiVersion` must be 1, not `1`"],
        ),
        (
            "apiVersion: 1\nkind: pod\nimage: x",
            vec!["`kind` must be `instance-spec`, not `pod`"],
        ),
        ("apiVersion: 1\nimage: x", vec!["`kind` is missing"]),
        (
            "apiVersion: 1\nkind: instance-spec",
            vec!["`image` is missing"],
        ),
        (
            "apiVersion: 1\nkind: instance-spec\nimage: [x]",
            vec!["`image`", "a list"],
        ),
        (
            "apiVersion: 1\nkind: instance-spec\nimage: ''",
            vec!["`image`"],
        ),
    ] {
        fails(text, &words);
    }
    for (line, words) in [
        (
            "paramvalues: {}",
            vec!["unknown key `paramvalues`", "paramValues"],
        ),
        ("id: xyz", vec!["`id`", "32 lower-case", "`xyz`"]),
        ("name: My Run", vec!["`name`", "`My Run`"]),
        ("tags: a", vec!["`tags`", "a list of texts", "`a`"]),
        ("tags: ['a,b']", vec!["`tags`", "`a,b`"]),
        ("nodes: [[a]]", vec!["`nodes`", "a list"]),
        ("paramValues: [a]", vec!["`paramValues`", "a list"]),
        (
            "paramValues: {operator.filter.filter: [a, b]}",
            vec!["`operator.filter.filter`", "a list", "commas"],
        ),
        (
            "paramValues: {operator.filter.filter: {a: b}}",
            vec!["`operator.filter.filter`", "a map"],
        ),
    ] {
        fails(&format!("{HEAD}{line}\n"), &words);
    }
    fails(&format!("{HEAD}---\n{HEAD}x: 1\n"), &["document 2", "`x`"]);
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    fails("apiVersion: [\n", &[]);
    fails(&format!("{HEAD}image: y\n"), &["image", "4"]);
    // Aliases that would blow up to gigabytes.
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let item = format!("*a{}", level - 1);
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            [item.as_str(); 9].join(", ")
        ));
    }
    fails(&bomb, &[]);
    fails(&"[".repeat(100_000), &[]);
}

#[test]
fn parameters_are_those_of_the_run() {
    let with = |lines: &str| format!("{HEAD}paramValues:\n{lines}");
    fails(
        &with("  operator.oci.wasm.syscall-filter: x\n"),
        &[
            "document 1",
            "unknown parameter `operator.oci.wasm.syscall-filter`",
            "operator.oci.wasm.syscall-filters",
        ],
    );
    fails(
        &with("  syscall-filters: x\n"),
        &["unknown parameter `syscall-filters`"],
    );
    fails(&with("  operator.sort.sort: x\n"), &["unknown parameter"]);
    fails(
        &with("  operator.oci.ebpf.pid: many\n"),
        &["document 1", "`operator.oci.ebpf.pid`", "`many`", "uint32"],
    );
    fails(
        &with("  operator.oci.ebpf.pid: 1\n  operator.oci.ebpf.process: 2\n"),
        &[
            "`operator.oci.ebpf.pid`",
            "`operator.oci.ebpf.process`",
            "same parameter",
        ],
    );
    let second = with("  operator.oci.ebpf.process: 2\n");
    assert_eq!(value(&second, "operator.oci.ebpf.pid"), "2");
    let of_source = with("  operator.filter.filter.traceloop: pid==1\n");
    assert_eq!(
        value(&of_source, "operator.filter.filter.traceloop"),
        "pid==1"
    );
    fails(
        &with("  operator.filter.filter.: x\n"),
        &["unknown parameter"],
    );
}

#[test]
fn more_than_the_limit_is_not_read() {
    let endless = read_limited(io::repeat(b'#')).unwrap_err();
    assert!(endless.to_string().contains("1048576"), "{endless}");
    let file = tempfile::tempfile().unwrap();
    file.set_len(MAX_MANIFEST_BYTES + 1).unwrap();
    assert!(read_file(file).is_err());
}
