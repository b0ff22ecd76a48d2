//! nginx in front of servers.

use std::path::Path;
use std::process::Command as Blocking;
use std::time::Duration;

use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::service::{Service, as_root, folder, give_to_service_user, prefix, program};

/// How a private nginx is set up.
#[derive(Clone, Debug, Default)]
pub struct NginxOptions {
    /// What stands inside its `http { … }`: upstreams and servers, as a file of `conf.d` would have them. The word
    /// `{folder}` becomes the folder of this nginx.
    pub site: String,
    /// Files beside it, by their names in its folder.
    pub files: Vec<(String, Vec<u8>)>,
    /// A port on which it listens then: it is up when it accepts there.
    pub port: u16,
    /// Workers; 0 means two.
    pub workers: u32,
    /// Whether it writes a line for each request.
    pub quiet: bool,
}

/// A private nginx of the distribution, without rights. It ends with this value, or with this process.
pub struct Nginx {
    service: Service,
    port: u16,
}

impl Nginx {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// Its words, when it does not take its configuration or cannot listen on a port.
    ///
    /// # Panics
    ///
    /// When nginx is not installed or does not come up.
    pub async fn start(options: &NginxOptions) -> Result<Self, String> {
        let server = program("nginx", "nginx");
        let folder = folder("nginx");
        for (name, content) in &options.files {
            let file = folder.join(name);
            std::fs::write(&file, content).expect("a file beside the configuration");
            give_to_service_user(&file);
        }
        let settings = main_file(options, &folder);
        let file = folder.join("nginx.conf");
        std::fs::write(&file, settings).expect("the settings can be written");
        give_to_service_user(&file);
        give_to_service_user(&folder);
        let arguments = |more: &[&str]| -> Vec<String> {
            let mut words = vec![server.clone(), "-p".into(), folder.display().to_string()];
            // Before it has read where to write, it would write to a place of the system.
            words.extend(["-e".into(), "stderr".into()]);
            words.extend(["-c".into(), file.display().to_string()]);
            words.extend(more.iter().map(|&word| word.to_owned()));
            words
        };
        let mut check = prefix(as_root());
        check.extend(arguments(&["-t", "-q"]));
        let checked = Blocking::new(&check[0])
            .args(&check[1..])
            .output()
            .expect("nginx can be run");
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        if !checked.status.success() {
            return Err(said);
        }
        let nginx = Self {
            service: Service::new("nginx", folder.clone(), true, arguments(&[])),
            port: options.port,
        };
        nginx.service.start();
        let port = nginx.port;
        let up = nginx
            .service
            .ready(async || TcpStream::connect(("127.0.0.1", port)).await.is_ok())
            .await;
        // It tries a taken port again and again for a while: somebody else may have answered.
        if up && !nginx.service.log().contains("[emerg]") {
            Ok(nginx)
        } else {
            Err(nginx.service.failure("ended at once"))
        }
    }

    /// The port that was told to [`Nginx::start`].
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The id of its first process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.service.id()
    }

    /// The folder it writes to.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.service.folder()
    }

    /// What it has said of faults.
    #[must_use]
    pub fn log(&self) -> String {
        self.service.log()
    }

    /// Its line for each request: status, upstreams with their statuses, times, and the request.
    #[must_use]
    pub fn requests(&self) -> String {
        let bytes = std::fs::read(self.service.folder().join("requests.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends it when its requests are answered.
    pub async fn stop(&self) {
        self.service.stop(Signal::QUIT).await;
        // Workers end a moment after their master.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The file around a site: everything that nginx writes goes to its own folder.
fn main_file(options: &NginxOptions, folder: &Path) -> String {
    let folder = folder.display().to_string();
    let workers = if options.workers == 0 { 2 } else { options.workers };
    let site = options.site.replace("{folder}", &folder);
    let requests = if options.quiet {
        "access_log off;".to_owned()
    } else {
        format!(
            "log_format requests '$status $upstream_addr $upstream_status $request_time $upstream_response_time \"$request\"';\n\
             access_log {folder}/requests.log requests;"
        )
    };
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("{what}_temp_path {folder}/{what};\n"))
        .collect();
    format!(
        "daemon off;\n\
         worker_processes {workers};\n\
         worker_rlimit_nofile 8192;\n\
         pid {folder}/nginx.pid;\n\
         error_log stderr info;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
         include /etc/nginx/mime.types;\n\
         {places}{requests}\n\
         {site}\n\
         }}\n"
    )
}
