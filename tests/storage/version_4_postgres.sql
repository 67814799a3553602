CREATE TABLE IF NOT EXISTS tessera_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT tessera_alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE IF NOT EXISTS tessera_log (
	log_id TEXT NOT NULL, 
	born_at BIGINT, 
	file TEXT NOT NULL, 
	schema_version BIGINT NOT NULL, 
	era BIGINT DEFAULT 0 NOT NULL, 
	id SMALLINT DEFAULT 1 NOT NULL, 
	PRIMARY KEY (log_id)
);
CREATE TABLE IF NOT EXISTS tessera_principals (
	user_id TEXT NOT NULL, 
	realm TEXT NOT NULL, 
	epoch BIGINT NOT NULL, 
	suspended_until BIGINT NOT NULL, 
	PRIMARY KEY (user_id, realm)
)

 WITH (fillfactor = 85);
CREATE TABLE IF NOT EXISTS tessera_revocations (
	number BIGSERIAL NOT NULL, 
	forget_at BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	sid BYTEA NOT NULL, 
	realm TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	epoch BIGINT NOT NULL, 
	except_sid BYTEA NOT NULL, 
	xid xid8 DEFAULT pg_current_xact_id() NOT NULL, 
	noted_at BIGINT DEFAULT 0 NOT NULL, 
	noted TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	PRIMARY KEY (number)
);
CREATE TABLE IF NOT EXISTS tessera_sessions (
	sid BYTEA NOT NULL, 
	realm TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	auth_at BIGINT NOT NULL, 
	idle_until BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	access_lifetime BIGINT NOT NULL, 
	gen BIGINT NOT NULL, 
	predecessor BIGINT NOT NULL, 
	rotated_at BIGINT NOT NULL, 
	confirmed BIGINT NOT NULL, 
	epoch BIGINT NOT NULL, 
	last_seen_at BIGINT NOT NULL, 
	ended_at BIGINT NOT NULL, 
	end_reason TEXT NOT NULL, 
	device_type TEXT NOT NULL, 
	device_id TEXT NOT NULL, 
	device_name TEXT NOT NULL, 
	ip TEXT NOT NULL, 
	user_agent TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	amr TEXT NOT NULL, 
	era BIGINT DEFAULT 0 NOT NULL, 
	user_stamp TEXT DEFAULT '' NOT NULL, 
	issued_for TEXT DEFAULT '' NOT NULL, 
	claims TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (sid)
)

 WITH (fillfactor = 85);
CREATE TABLE IF NOT EXISTS tessera_workers (
	name TEXT NOT NULL, 
	started_at BIGINT NOT NULL, 
	beat_at BIGINT NOT NULL, 
	lag_ms BIGINT NOT NULL, 
	PRIMARY KEY (name)
)

 WITH (fillfactor = 50);
CREATE UNIQUE INDEX IF NOT EXISTS tessera_log_id ON tessera_log (id);
CREATE INDEX IF NOT EXISTS tessera_revocations_forget_at ON tessera_revocations (forget_at);
CREATE INDEX IF NOT EXISTS tessera_revocations_xid ON tessera_revocations (xid, number);
CREATE INDEX IF NOT EXISTS tessera_sessions_user ON tessera_sessions (user_id, realm);
INSERT INTO tessera_alembic_version VALUES('0004');
INSERT INTO tessera_log (log_id, born_at, file, schema_version, era) VALUES('7cfa495c9e474b2e',3976214400,'2302452',4,0);
INSERT INTO tessera_revocations (number, forget_at, reason, sid, realm, user_id, epoch, except_sid) VALUES(7,3976215420,'logout','\x0102030405060708090A0B0C0D0E0F10','','',0,'');
INSERT INTO tessera_sessions (sid, realm, user_id, created_at, auth_at, idle_until, until, access_lifetime, gen, predecessor, rotated_at, confirmed, epoch, last_seen_at, ended_at, end_reason, device_type, device_id, device_name, ip, user_agent, scope, amr) VALUES('\x000102030405060708090A0B0C0D0E0F','','7',3976214400,3976214400,3978806400,3983990400,900,0,-1,3976214400,0,0,3976214400,0,'','','','','','u','','');
