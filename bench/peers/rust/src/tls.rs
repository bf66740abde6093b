//! TLS by rustls, with ALPN `h2`.

use crate::Error;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::{fs::File, io::BufReader, sync::Arc};

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    Ok(rustls_pemfile::certs(&mut BufReader::new(File::open(path)?)).collect::<Result<_, _>>()?)
}

fn private_key(path: &str) -> Result<PrivateKeyDer<'static>, Error> {
    rustls_pemfile::private_key(&mut BufReader::new(File::open(path)?))?.ok_or_else(|| "no key".into())
}

pub fn connector(ca: &str, resume: bool) -> Result<tokio_rustls::TlsConnector, Error> {
    let mut roots = rustls::RootCertStore::empty();
    for one in certificates(ca)? {
        roots.add(one)?;
    }
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    if !resume {
        config.resumption = rustls::client::Resumption::disabled();
    }
    Ok(Arc::new(config).into())
}

pub fn acceptor(cert: &str, key: &str) -> Result<tokio_rustls::TlsAcceptor, Error> {
    let mut config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certificates(cert)?, private_key(key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config).into())
}
