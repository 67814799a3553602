CREATE TABLE tessera_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT tessera_alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "tessera_alembic_version" VALUES('0004');
CREATE TABLE tessera_log (
	log_id TEXT NOT NULL, 
	born_at BIGINT, 
	file TEXT NOT NULL, 
	schema_version BIGINT NOT NULL, 
	era BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (log_id)
);
INSERT INTO "tessera_log" VALUES('7cfa495c9e474b2e',3976214400,'2302452',4,0);
CREATE TABLE tessera_principals (
	user_id TEXT NOT NULL, 
	realm TEXT NOT NULL, 
	epoch BIGINT NOT NULL, 
	suspended_until BIGINT NOT NULL, 
	PRIMARY KEY (user_id, realm)
)
 WITHOUT ROWID

;
CREATE TABLE tessera_revocations (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	forget_at BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	sid BLOB NOT NULL, 
	realm TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	epoch BIGINT NOT NULL, 
	except_sid BLOB NOT NULL
);
INSERT INTO "tessera_revocations" VALUES(1,3976215420,'logout',X'0102030405060708090A0B0C0D0E0F10','','',0,X'');
CREATE TABLE tessera_sessions (
	sid BLOB NOT NULL, 
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
 WITHOUT ROWID

;
INSERT INTO "tessera_sessions" VALUES(X'000102030405060708090A0B0C0D0E0F','','7',3976214400,3976214400,3978806400,3983990400,900,0,-1,3976214400,0,0,3976214400,0,'','','','','','u','','',0,'','','');
INSERT INTO "tessera_sessions" VALUES(X'0102030405060708090A0B0C0D0E0F10','','8',3976214400,3976214400,3978806400,3983990400,900,0,-1,3976214400,0,0,3976214400,3976214400,'logout','','','','','','','',0,'','','');
CREATE TABLE tessera_workers (
	name TEXT NOT NULL, 
	started_at BIGINT NOT NULL, 
	beat_at BIGINT NOT NULL, 
	lag_ms BIGINT NOT NULL, 
	PRIMARY KEY (name)
)
 WITHOUT ROWID

;
CREATE INDEX tessera_sessions_user ON tessera_sessions (user_id, realm);
