//! Template of a gadget's guest: adds to every opened file how deep it lies.
//!
//! Host provides: single data source `open` with field `fname` (String); param `min-depth`, a number.
//!
//! Expect: the run succeeds; every event of `open` has `depth` (Uint32), and those at least `min-depth` deep are emitted
//! again on `deep`, with `fname` and `depth`. A `min-depth` that is no number fails `init` and names it.

#![deny(unsafe_code)]

use gizmo_guest::{DataSource, DataSourceKind, Error, Text, debug, export, info, params};

export! { init = init, stop = stop }

fn init() -> Result<(), Error> {
    let min_depth = parse_depth(&params::get("min-depth")?)?;

    let open = DataSource::get("open")?;
    let fname = open.field::<Text>("fname")?;
    let depth = open.add_field::<u32>("depth")?;

    let deep = DataSource::new("deep", DataSourceKind::Single)?;
    let deep_fname = deep.add_field::<Text>("fname")?;
    let deep_depth = deep.add_field::<u32>("depth")?;

    open.subscribe(0, move |_open, event| -> Result<(), Error> {
        let path = fname.get(event)?;
        let path_depth = depth_of(&path);
        depth.set(event, path_depth)?;
        if path_depth < min_depth {
            return Ok(());
        }
        debug!("`{path}` is {path_depth} deep");
        let packet = deep.new_packet()?;
        deep_fname.set(packet.data(), &path)?;
        deep_depth.set(packet.data(), path_depth)?;
        packet.emit()
    })
}

fn stop() {
    info!("no more files");
}

fn parse_depth(value: &str) -> Result<u32, Error> {
    value
        .parse()
        .map_err(|_| Error::new(format!("`min-depth` is no number: `{value}`")))
}

/// How many directories lie above a file.
pub fn depth_of(path: &str) -> u32 {
    path.split('/')
        .filter(|part| !part.is_empty())
        .count()
        .saturating_sub(1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_directories() {
        assert_eq!(depth_of("/etc/ssl/openssl.cnf"), 2);
        assert_eq!(depth_of("//etc//passwd"), 1);
        assert_eq!(depth_of("/"), 0);
        assert_eq!(depth_of(""), 0);
    }

    #[test]
    fn a_bad_depth_is_named() {
        assert_eq!(parse_depth("3").unwrap(), 3);
        assert!(
            parse_depth("three")
                .unwrap_err()
                .to_string()
                .contains("`three`")
        );
    }
}
