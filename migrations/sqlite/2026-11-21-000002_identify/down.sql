DROP TABLE identify;
