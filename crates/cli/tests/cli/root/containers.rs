//! `list-containers` with a Docker that is one.

use gizmo_test_runtimes::{Docker, IMAGE};

use crate::containers::watch::Watch;
use crate::support::Gizmo;

#[test]
#[ignore = "root: starts container runtimes"]
fn containers_of_docker_are_listed_and_watched() {
    let docker = Docker::start();
    let id = docker.run("early", &["sleep", "600"]);
    docker.run("another", &["sleep", "600"]);
    let gizmo = Gizmo::new();
    let socket = docker.socket();
    let socket = socket.to_str().expect("UTF-8");
    let args = [
        "list-containers",
        "-r",
        "docker",
        "--docker-socketpath",
        socket,
        "-o",
        "json",
    ];

    let list = gizmo.ok(args).json();
    let names: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["runtime"]["containerName"])
        .collect();
    assert_eq!(names, ["another", "early"]);
    let early = &list[1];
    let runtime = &early["runtime"];
    assert_eq!(
        (&runtime["containerId"], &runtime["containerImageName"]),
        (&id.into(), &IMAGE.into())
    );
    assert_eq!(
        runtime["containerPid"].to_string(),
        docker.inspect("early", "{{.State.Pid}}")
    );
    for key in [
        "ociConfig",
        "bundle",
        "mntns",
        "netns",
        "hostNetwork",
        "cgroupPath",
        "cgroupID",
        "cgroupV2",
    ] {
        assert!(!early[key].is_null(), "{key}: {early}");
    }
    let args = args.iter().copied();
    let one = gizmo.ok(args.clone().chain(["-c", "early"])).json();
    assert_eq!(one.as_array().map(Vec::len), Some(1));

    let mut watch = Watch::start(&mut gizmo.command(args.chain(["-w", "-c", "early,late"])));
    let mut next = || {
        let event = watch.next();
        let name = &event["container"]["runtime"]["containerName"];
        format!(
            "{} {}",
            event["event"].as_str().unwrap(),
            name.as_str().unwrap()
        )
    };
    assert_eq!(next(), "CREATED early");
    docker.run("late", &["sleep", "600"]);
    docker.run("not-meant", &["sleep", "600"]);
    assert_eq!(next(), "CREATED late");
    docker.remove("late");
    assert_eq!(next(), "DELETED late");
    docker.remove("early");
    assert_eq!(next(), "DELETED early");
    watch.ends();
}
