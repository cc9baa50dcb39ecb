"""What a training spends its time on: names in records and charts (see `lib.engine.clock`)."""

WAITING, SENDING, COMPUTING = "waiting", "sending", "computing"
EVALUATING, SAVING = "evaluating", "saving"
OF_STEPS, ASIDE = (WAITING, SENDING), (EVALUATING, SAVING)
