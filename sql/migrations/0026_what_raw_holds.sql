-- What a reject's line holds has not been all of it for a while, nor always the line.
COMMENT ON COLUMN kaltura.rejects.raw IS
'The line as it came, cut at 20,000 characters; where PII_MODE keeps no names, its length alone. '
'May hold personal data.';
