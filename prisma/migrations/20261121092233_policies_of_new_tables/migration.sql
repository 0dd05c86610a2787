-- Keeps limits and denials to the system, which alone notes what an organization's command ends.

ALTER TABLE "AccessDenial" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "AccessDenial" USING ((SELECT "tollgate_system"()));

ALTER TABLE "RateLimit" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY "system" ON "RateLimit" USING ((SELECT "tollgate_system"()));

ALTER FUNCTION "deny_access"(text[]) SET "tollgate.system" = 'on' SET "tollgate.organization" = '';
