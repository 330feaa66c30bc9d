"""Real servers for tests: each in a scratch folder of its own, on a unix socket and a free port of 127.0.0.1,
stopped by its process id. Used as

    with postgres() as database, kafka() as broker:
        … database.url … broker.brokers …

`ready` means that the server answered a request. When a test fails the folder with the log stays and is printed.
Every server has the user `app` with the password `s3cret+pass` where it has users; `certificate` is the PEM file
of what its TLS shows, for the host name `localhost`.
"""

import base64
import contextlib
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

from harness import DIE_WITH_PARENT, ROOT

USER = "app"
PASSWORD = "s3cret+pass"
KAFKA_LIBS = pathlib.Path(os.environ.get("TESTMESH_KAFKA_LIBS", ROOT / "build/kafka/libs"))


class NotStarted(Exception):
    """The server did not get ready; the text has the end of its log."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*command, **options) -> str:
    """A short command; its output, or NotStarted with it."""
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=180, **options)
    if done.returncode != 0:
        raise NotStarted(f"{' '.join(str(part) for part in command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def make_certificate(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """A certificate of its own authority for `localhost` and 127.0.0.1, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate)
    return certificate, key


class RealServer:
    """What the servers share: a folder, a process, and patience with a limit."""

    name = "server"

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"tm-{self.name}."))
        self.folder.chmod(0o755)  # servers that run as another user pass through it
        self.log = self.folder / "log"
        self.process: subprocess.Popen | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def prepare(self) -> None:
        """Once, before the first start."""

    def command(self) -> list:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def started(self) -> None:
        """Once it answers for the first time."""

    def start(self, seconds: float = 30) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(part) for part in [*DIE_WITH_PARENT, *self.command()]],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + seconds
        while not self.answers():
            if self.process.poll() is not None:
                raise NotStarted(f"{self.name} ended with {self.process.returncode}:\n{self.log_end()}")
            if time.monotonic() > deadline:
                raise NotStarted(f"{self.name} is not ready after {seconds:g} s:\n{self.log_end()}")
            time.sleep(0.05)

    def log_end(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else "(no log)"

    stop_signal = signal.SIGTERM

    def stop(self, with_signal: int | None = None) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)  # a test may have halted it
            self.process.send_signal(with_signal or self.stop_signal)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def __enter__(self):
        # A port that was free may be taken a moment later.
        for attempt in range(3):
            try:
                self.prepare()
                self.start()
                self.started()
                return self
            except NotStarted:
                self.stop()
                if attempt == 2:
                    print(f"the folder of {self.name} is kept: {self.folder}")
                    raise
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder.mkdir(mode=0o755)
            except BaseException:
                self.stop()
                raise
        raise AssertionError("unreachable")

    def __exit__(self, kind, error, trace) -> None:
        self.stop()
        if kind is not None or "TESTMESH_KEEP" in os.environ:
            print(f"the folder of {self.name} is kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def as_user(name: str) -> list[str]:
    """Before a command: runs it as that user where we are root; servers refuse to run as root."""
    if os.geteuid() != 0:
        return []
    found = pwd.getpwnam(name)
    return ["setpriv", "--reuid", str(found.pw_uid), "--regid", str(found.pw_gid), "--clear-groups", "--"]


def give_to(user: str, *paths: pathlib.Path) -> None:
    if os.geteuid() == 0:
        for path in paths:
            shutil.chown(path, user, pwd.getpwnam(user).pw_gid)


class Postgres(RealServer):
    name = "postgres"
    stop_signal = signal.SIGINT
    tools = pathlib.Path("/usr/lib/postgresql/15/bin")

    def prepare(self) -> None:
        self.data = self.folder / "d"
        self.data.mkdir()
        give_to("postgres", self.data)
        run(*as_user("postgres"), self.tools / "initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync", cwd="/")
        (self.data / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        self.certificate, key = make_certificate(self.folder)
        key.chmod(0o600)
        give_to("postgres", key)
        self.key = key
        self.port = free_port()

    def command(self) -> list:
        return [*as_user("postgres"), "setpriv", "--pdeathsig", "INT", self.tools / "postgres", "-D", self.data, "-k",
                self.data, "-p", self.port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c",
                "shared_buffers=32MB", "-c", "ssl=on", "-c", f"ssl_cert_file={self.certificate}", "-c",
                f"ssl_key_file={self.key}"]

    def answers(self) -> bool:
        return subprocess.run([self.tools / "pg_isready", "-q", "-h", self.data, "-p", str(self.port)], timeout=10,
                              check=False).returncode == 0

    def started(self) -> None:
        self.sql(f"create role {USER} login superuser password '{PASSWORD}'", "create database app")

    def sql(self, *statements: str) -> None:
        for statement in statements:
            run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.data, "-p", self.port, "-U", "postgres", "-d",
                "postgres", "-c", statement)

    @property
    def url(self) -> str:
        return f"postgres://{USER}:{urllib.parse.quote(PASSWORD)}@127.0.0.1:{self.port}/app"

    @property
    def socket_url(self) -> str:
        return f"postgres://postgres@/app?host={urllib.parse.quote(str(self.data), safe='/')}&port={self.port}"


class MariaDb(RealServer):
    name = "mariadb"

    def prepare(self) -> None:
        self.data = self.folder / "d"
        self.data.mkdir()
        user = ["--user=nobody"] if os.geteuid() == 0 else []
        give_to("nobody", self.data)
        run("mariadb-install-db", "--no-defaults", "--force", *user, f"--datadir={self.data}",
            "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M",
            "--innodb-flush-method=nosync")
        self.certificate, self.key = make_certificate(self.folder)
        self.key.chmod(0o600)
        give_to("nobody", self.key)
        self.port = free_port()
        self.socket = self.data / "my.sock"

    def command(self) -> list:
        user = ["--user=nobody"] if os.geteuid() == 0 else []
        return ["mariadbd", "--no-defaults", *user, f"--datadir={self.data}", f"--socket={self.socket}",
                f"--port={self.port}", "--bind-address=127.0.0.1", "--innodb-log-file-size=8M",
                "--innodb-buffer-pool-size=16M", "--performance-schema=OFF", "--innodb-flush-method=nosync",
                f"--ssl-cert={self.certificate}",
                f"--ssl-key={self.key}", f"--ssl-ca={self.certificate}", "--max-allowed-packet=128M"]

    def answers(self) -> bool:
        return subprocess.run(["mariadb", "--no-defaults", "-S", self.socket, "-u", "root", "-e", "select 1"], timeout=10,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def started(self) -> None:
        self.sql(f"create database {USER} character set utf8mb4",
                 f"create user {USER}@'%' identified by '{PASSWORD}'", f"grant all on *.* to {USER}@'%'")

    def sql(self, *statements: str) -> None:
        run("mariadb", "--no-defaults", "-S", self.socket, "-u", "root", "-e", "; ".join(statements))

    @property
    def url(self) -> str:
        return f"mysql://{USER}:{urllib.parse.quote(PASSWORD)}@127.0.0.1:{self.port}/{USER}"

    @property
    def socket_url(self) -> str:
        return f"mariadb://root@localhost/{USER}?socket={self.socket}"


class Redis(RealServer):
    name = "redis"

    def prepare(self) -> None:
        self.port = free_port()
        self.socket = self.folder / "r.sock"

    def command(self) -> list:
        return ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--unixsocket", self.socket, "--dir",
                self.folder, "--save", "", "--appendonly", "no", "--requirepass", PASSWORD]

    def answers(self) -> bool:
        done = subprocess.run(["redis-cli", "-s", self.socket, "-a", PASSWORD, "--no-auth-warning", "ping"], timeout=10,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        return b"PONG" in done.stdout

    def started(self) -> None:
        run("redis-cli", "-s", self.socket, "-a", PASSWORD, "--no-auth-warning", "acl", "setuser", USER, "on",
            f">{PASSWORD}", "~*", "+@all")

    @property
    def url(self) -> str:
        return f"redis://{USER}:{urllib.parse.quote(PASSWORD)}@127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        return f"unix://:{urllib.parse.quote(PASSWORD)}@{self.socket}"


class Kafka(RealServer):
    """Apache Kafka, broker and controller in one process, without a security and with each that actions know.

    `brokers` is plain; `sasl` wants a login (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512); `tls` has the certificate.
    """

    name = "kafka"
    java = ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]

    def prepare(self) -> None:
        if not KAFKA_LIBS.is_dir():
            raise NotStarted("tests/clients/install.sh has not fetched Apache Kafka; run it once")
        self.port, self.sasl_port, self.tls_port, controller = (free_port() for _ in range(4))
        self.certificate, key = make_certificate(self.folder)
        listeners = {"PLAINTEXT": self.port, "SASL_PLAINTEXT": self.sasl_port, "SSL": self.tls_port}
        login = f'user_{USER}="{PASSWORD}"'
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items())
            + f",CONTROLLER://127.0.0.1:{controller}",
            # Names that the certificate has, and that a client must look up.
            "advertised.listeners": ",".join(f"{name}://localhost:{port}" for name, port in listeners.items()),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,CONTROLLER:PLAINTEXT",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "log.dirs": self.folder / "data",
            "num.partitions": 2,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "log.cleaner.dedupe.buffer.size": 2097152,
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            "num.network.threads": 2,
            "num.io.threads": 2,
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config":
                f"org.apache.kafka.common.security.plain.PlainLoginModule required {login};",
            "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config":
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config":
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": self.certificate.read_text().strip().replace("\n", "\\n"),
            "ssl.keystore.key": key.read_text().strip().replace("\n", "\\n"),
        }
        self.properties = self.folder / "server.properties"
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        (self.folder / "log4j2.properties").write_text(
            "rootLogger.level=info\nrootLogger.appenderRef.out.ref=out\nappender.out.type=Console\nappender.out.name=out\n"
            "appender.out.layout.type=PatternLayout\nappender.out.layout.pattern=%d %p %c: %m%n\n")
        scram = [part for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
                 for part in ("--add-scram", f'{mechanism}=[name={USER},password={PASSWORD}]')]
        cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if cluster.startswith("-"):  # it would be read as a flag
            cluster = "A" + cluster[1:]
        run(*self.java, "-cp", f"{KAFKA_LIBS}/*", "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c",
            self.properties, *scram)

    def command(self) -> list:
        return [*self.java, f"-Dlog4j2.configurationFile={self.folder}/log4j2.properties", "-cp", f"{KAFKA_LIBS}/*",
                "kafka.Kafka", self.properties]

    def answers(self) -> bool:
        return "Kafka Server started" in self.log.read_text(errors="replace")

    def start(self, seconds: float = 60) -> None:
        if self.log.exists():
            self.log.rename(self.folder / f"log.{time.monotonic_ns()}")  # what a former start said is no sign of this one
        super().start(seconds)

    @property
    def brokers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def sasl(self) -> str:
        return f"127.0.0.1:{self.sasl_port}"

    @property
    def tls(self) -> str:
        return f"localhost:{self.tls_port}"


def postgres() -> Postgres:
    return Postgres()


def mariadb() -> MariaDb:
    return MariaDb()


def redis() -> Redis:
    return Redis()


def kafka() -> Kafka:
    return Kafka()


@contextlib.contextmanager
def all_of_them():
    """The four, by name."""
    with postgres() as p, mariadb() as m, redis() as r, kafka() as k:
        yield {"postgres": p, "mariadb": m, "redis": r, "kafka": k}
