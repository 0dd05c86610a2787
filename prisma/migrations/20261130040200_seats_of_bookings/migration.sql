-- Attendees of one booking with seats share its uid, and each has a row: the second one's payment was lost, and one
-- who left cancelled the call of all. The calls of a recurring booking share a payment, so it is kept what joins them.

ALTER TABLE "Booking" ADD COLUMN "calRecurringId" TEXT,
ADD COLUMN "calSeat" TEXT NOT NULL DEFAULT '';

CREATE UNIQUE INDEX "Booking_calBookingUid_calSeat_key" ON "Booking"("calBookingUid", "calSeat");

DROP INDEX "Booking_calBookingUid_key";

ALTER TABLE "BookingUid" DROP CONSTRAINT "BookingUid_pkey",
ADD CONSTRAINT "BookingUid_pkey" PRIMARY KEY ("uid", "bookingId");
