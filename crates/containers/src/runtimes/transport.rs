//! How bytes come from a runtime's unix socket, and how many.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

use super::client::ClientError;
use crate::host::HostRoot;

/// What one HTTP connection may bring, so what one answer may have: a list of all containers has about 2 kB for each. A
/// stream of events that comes to the limit is opened again.
pub(crate) const MAX_HTTP_BYTES: u64 = 64 << 20;
/// What one gRPC message may have; containerd's list contains the OCI specification of each container.
pub(crate) const MAX_GRPC_BYTES: usize = 64 << 20;

/// Connections to one socket.
pub(crate) type UnixIo = TokioIo<Limited<UnixStream>>;

/// A socket of the host.
#[derive(Debug)]
pub(crate) struct Socket {
    host: HostRoot,
    path: PathBuf,
}

impl Socket {
    pub(crate) fn new(host: HostRoot, path: PathBuf) -> Self {
        Self { host, path }
    }

    /// Connects; every connection may bring `limit` bytes.
    pub(crate) async fn connect(&self, limit: u64) -> io::Result<UnixIo> {
        let (path, _keep) = self.host.socket(&self.path)?;
        let stream = UnixStream::connect(path).await?;
        Ok(TokioIo::new(Limited {
            inner: stream,
            left: limit,
        }))
    }

    /// A gRPC channel. It connects when it is used, and again when the connection was lost.
    pub(crate) fn channel(self: &Arc<Self>) -> Channel {
        let socket = Arc::clone(self);
        // The address is not used: the connector knows where to go.
        Endpoint::from_static("http://localhost").connect_with_connector_lazy(tower::service_fn(
            move |_: Uri| {
                let socket = Arc::clone(&socket);
                // Messages are limited one by one; a channel lives as long as the runtime.
                async move { socket.connect(u64::MAX).await }
            },
        ))
    }
}

/// The way to the socket for hyper's client.
#[derive(Clone)]
pub(crate) struct Connector(pub(crate) Arc<Socket>);

impl tower::Service<Uri> for Connector {
    type Response = UnixIo;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<UnixIo>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let socket = Arc::clone(&self.0);
        Box::pin(async move { socket.connect(MAX_HTTP_BYTES).await })
    }
}

/// A connection that fails when the other side sends too much.
#[derive(Debug)]
pub(crate) struct Limited<T> {
    inner: T,
    left: u64,
}

impl Connection for Limited<UnixStream> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Limited<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the runtime sent more than it may",
            )));
        }
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let read = u64::try_from(buffer.filled().len() - before).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Limited<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Passes a request through a gRPC call that has to be answered soon, and unpacks the answer.
pub(crate) async fn answer<T>(
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, ClientError> {
    let call = async { Ok(call.await?.into_inner()) };
    super::client::within(super::client::CALL_TIMEOUT, call).await
}

/// Like [`answer`], with "not found" as an ordinary answer.
pub(crate) async fn answer_if_found<T>(
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<Option<T>, ClientError> {
    match answer(call).await {
        Ok(answer) => Ok(Some(answer)),
        Err(ClientError::Grpc(status)) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
