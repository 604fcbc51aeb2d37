DROP TABLE identify_clock;
