-- policies of new tables

ALTER TABLE "AccessDenial" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "AccessDenial" USING ((SELECT "tollgate_system"()));

ALTER TABLE "RateLimit" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "RateLimit" USING ((SELECT "tollgate_system"()));
