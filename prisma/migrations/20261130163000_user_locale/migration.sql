-- Mails and pages are in the user's language, so the user's row holds it as a tag of BCP 47, such as de-AT.
ALTER TABLE "User" ADD COLUMN "locale" TEXT;

ALTER TABLE "User" ADD CONSTRAINT "User_locale_check"
  CHECK ("locale" ~ '^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$' AND char_length("locale") <= 35);
