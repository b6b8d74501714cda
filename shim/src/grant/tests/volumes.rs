//! What of the node a container gets, and from where alone.

use super::*;

#[test]
fn each_kind_of_volume_has_its_own_directory() {
    for (kind, plugin) in [
        (VolumeKind::EmptyDir, "kubernetes.io~empty-dir"),
        (VolumeKind::ConfigMap, "kubernetes.io~configmap"),
        (VolumeKind::Secret, "kubernetes.io~secret"),
        (VolumeKind::Projected, "kubernetes.io~projected"),
        (VolumeKind::DownwardApi, "kubernetes.io~downward-api"),
    ] {
        let base = format!("/var/lib/kubelet/pods/u1/volumes/{plugin}");
        let granted = Case::mounted(&with_volume(kind), &format!("{base}/data"), &["rbind", "rw"]).granted();
        let want = Volume {
            base: base.into(),
            relative: "data".into(),
            part: Part::Whole,
            target: "/volumes/data".into(),
            read_only: false,
        };
        assert_eq!(granted.volumes, [want]);
        assert_eq!(granted.task.preopens[0].directory, Path::new("/volumes/data"));
        assert_eq!(granted.task.preopens[0].path, "/d");
        for wrong in [
            "/var/lib/kubelet/pods/u2/volumes/kubernetes.io~empty-dir/data",
            "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~empty-dir/other",
            "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~host-path/data",
            "/etc",
        ] {
            Case::mounted(&with_volume(kind), wrong, &[]).refused("is mounted there");
        }
    }
}

#[test]
fn a_claim_may_be_of_any_plugin_but_of_no_other_pod() {
    let document = with_volume(VolumeKind::PersistentVolumeClaim);
    for right in [
        "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~csi/pv-1/mount",
        "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~local-volume/pv-1",
        "/srv/data",
    ] {
        let volumes = Case::mounted(&document, right, &["ro"]).granted().volumes;
        assert_eq!(
            volumes[0].base.join(&volumes[0].relative).components().collect::<PathBuf>(),
            Path::new(right)
        );
        assert!(volumes[0].read_only, "the container's mount is read-only");
    }
    for wrong in [
        "/",
        "/var/lib",
        "/var/lib/kubelet",
        "/var/lib/kubelet/pods/u2/volumes/kubernetes.io~csi/pv-1/mount",
        "/var/lib/kubelet/pods/u1/volumes",
        "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~csi",
        "/var/lib/kubelet/pods/u1/volumes/../../u2/volumes/a/b",
        "/srv/../etc",
        "srv",
    ] {
        Case::mounted(&document, wrong, &[]).refused("is mounted there");
    }
}

#[test]
fn a_volume_that_is_not_mounted_is_named() {
    let document = with_volume(VolumeKind::EmptyDir);
    Case::new(&document).refused("volume data is not mounted at /run/hayride.dev/volumes/data");
}

const EMPTY_DIR: &str = "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~empty-dir/data";

fn sub_path(path: &str, sub_path: &str, access: Access) -> FilesystemGrant {
    let (volume, path) = ("data".into(), path.into());
    FilesystemGrant { volume, path, sub_path: Some(sub_path.into()), access }
}

#[test]
fn one_volume_is_granted_at_several_paths_with_directories_of_its_own() {
    let mut document = with_volume(VolumeKind::EmptyDir);
    let grants = &mut document.components[0].grants.filesystem;
    grants.push(sub_path("/logs", "app/logs", Access::ReadWrite));
    grants.push(sub_path("/static", "static", Access::ReadOnly));
    let granted = Case::mounted(&document, EMPTY_DIR, &["rw"]).granted();
    let directories: Vec<_> =
        granted.task.preopens.iter().map(|preopen| preopen.directory.to_str().unwrap()).collect();
    assert_eq!(directories, ["/volumes/data", "/sub-paths/1", "/sub-paths/2"]);
    let found: Vec<_> =
        granted.volumes.iter().map(|v| (v.part.clone(), v.target.as_str(), v.read_only)).collect();
    let part = |path: &str, make_for| Part::Directory { path: path.into(), make_for };
    let wanted = [
        (Part::Whole, "/volumes/data", false),
        // Group 0 is never a worker's.
        (part("app/logs", Some((1000, crate::process::UNPRIVILEGED_ID))), "/sub-paths/1", false),
        (part("static", None), "/sub-paths/2", true),
    ];
    assert_eq!(found, wanted);
    assert!(granted.volumes.iter().all(|volume| volume.relative == Path::new("data")));
}

#[test]
fn a_volume_of_which_a_directory_is_granted_is_not_there_as_a_whole() {
    let mut document = with_volume(VolumeKind::EmptyDir);
    document.components[0].grants.filesystem = vec![sub_path("/d", "a", Access::ReadWrite)];
    let volumes = Case::mounted(&document, EMPTY_DIR, &["ro"]).granted().volumes;
    assert_eq!(volumes.len(), 1);
    assert_eq!(volumes[0].part, Part::Directory { path: "a".into(), make_for: None }, "it is read-only");
    assert_eq!((volumes[0].target.as_str(), volumes[0].read_only), ("/sub-paths/0", true));
    Case::mounted(&document, "/etc", &[]).refused("is mounted there");
}

/// A document whose configuration comes from a file.
fn with_files() -> Document {
    let mut document = with(Capability::Config);
    let entry = &mut document.components[0].grants.config[0];
    (entry.value, entry.file) = (None, Some("config-0".into()));
    document.mounts = vec![Mount {
        volume: "hayride-files".into(),
        kind: VolumeKind::Projected,
        destination: "/run/hayride.dev/files".into(),
        read_only: true,
        used_for: MountUse::Files,
    }];
    document
}

#[test]
fn files_that_grants_name_come_from_their_own_volume_read_only() {
    let base = "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~projected";
    let mounted = |source: &str| {
        let mounts = vec![bind("/run/hayride.dev/files", source, &["rw"])];
        Case { mounts, ..Case::new(&with_files()) }
    };
    let granted = mounted(&format!("{base}/hayride-files")).granted();
    assert_eq!(granted.task.files.as_deref(), Some(Path::new("/files")));
    assert!(granted.task.preopens.is_empty());
    let wanted = Volume {
        base: base.into(),
        relative: "hayride-files".into(),
        part: Part::Whole,
        target: "/files".into(),
        read_only: true,
    };
    assert_eq!(granted.volumes, [wanted]);
    for wrong in [
        "/etc",
        "/var/lib/kubelet/pods/u2/volumes/kubernetes.io~projected/hayride-files",
        "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~secret/hayride-files",
        "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~projected/other",
        "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~projected/hayride-files/..data",
    ] {
        mounted(wrong).refused("volume hayride-files is granted as Projected");
    }
    Case::new(&with_files()).refused("volume hayride-files is not mounted at /run/hayride.dev/files");
    assert_eq!(Case::new(&document()).granted().task.files, None);
}

#[test]
fn files_of_names_come_along_with_a_grant_of_the_network_and_with_no_other() {
    let mounts = || {
        vec![
            bind("/etc/hosts", "/var/lib/kubelet/pods/u1/etc-hosts", &["rw"]),
            bind("/etc/resolv.conf", "/run/containerd/sandboxes/s1/resolv.conf", &["rw"]),
            bind("/etc/hostname", "/run/containerd/sandboxes/s1/hostname", &["rw"]),
        ]
    };
    for capability in Capability::ALL {
        if capability == Capability::Filesystem {
            continue; // its volume isn't mounted here
        }
        let volumes = Case { mounts: mounts(), ..Case::new(&with(capability)) }.granted().volumes;
        let targets: Vec<_> = volumes.iter().map(|volume| volume.target.as_str()).collect();
        let network = matches!(capability, Capability::Http | Capability::Sockets);
        let wanted: &[&str] = if network { &["/etc/resolv.conf", "/etc/hosts"] } else { &[] };
        assert_eq!(targets, wanted, "{capability:?}");
        assert!(volumes.iter().all(|volume| volume.read_only && volume.part == Part::File));
    }
    let odd = vec![
        json!({ "destination": "/etc/hosts", "type": "tmpfs", "source": "tmpfs" }),
        bind("/etc/resolv.conf", "relative", &[]),
    ];
    let without = Case { mounts: odd, ..Case::new(&with(Capability::Http)) }.granted();
    assert_eq!(without.volumes, []);
}
