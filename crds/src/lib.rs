//! crds.
